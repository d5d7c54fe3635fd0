"""GridSearchCV over an SVM pipeline, then cross_val_score of several classifiers, all in one process (n_jobs=1)."""

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

X, y = load_digits(return_X_y=True)
X, y = X[:900], y[:900]

pipeline = Pipeline([("scale", StandardScaler()), ("pca", PCA(random_state=0)), ("svc", SVC())])
grid = {"pca__n_components": [10, 20, 30], "svc__C": [0.1, 1, 10], "svc__gamma": ["scale", 0.01]}
folds = StratifiedKFold(5, shuffle=True, random_state=3)
search = GridSearchCV(pipeline, grid, cv=folds, n_jobs=1)
search.fit(X, y)
print("best", search.best_params_, repr(search.best_score_))
for params, mean in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"]):
    print(params, repr(mean))

for model in (
    LogisticRegression(max_iter=300),
    KNeighborsClassifier(3),
    DecisionTreeClassifier(random_state=1),
    GaussianNB(),
):
    scores = cross_val_score(model, X / 16, y, cv=8)
    print(type(model).__name__, [round(s, 12) for s in scores])
