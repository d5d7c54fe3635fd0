"""Points inside limits on the threads of BLAS, as scikit-learn sets them around much of its own code."""

from points import point
from sklearn.utils.parallel import _get_threadpool_controller, _threadpool_controller_decorator


def threads():
    return sorted((one.internal_api, one.num_threads) for one in _get_threadpool_controller().lib_controllers)


@_threadpool_controller_decorator(limits=2, user_api="blas")
def limited(depth):
    point()
    return depth, threads()


print("before", threads())
with _get_threadpool_controller().limit(limits=2):
    point()
    print("inside", threads())
    with _get_threadpool_controller().limit(limits=1):
        point()
        print("deeper", threads())
    print("inside again", threads())
print("outside", threads())
print(limited(1), threads())
point()
print("after", threads())
