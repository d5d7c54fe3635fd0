"""SQLAlchemy's mapped classes: made by the program, with events, a session that lives on, rows loaded lazily."""

from points import point
from sqlalchemy import ForeignKey, String, create_engine, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Run(Base):
    __tablename__ = "runs"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    metrics: Mapped[list["Metric"]] = relationship(back_populates="run", order_by="Metric.step")


class Metric(Base):
    __tablename__ = "metrics"
    id: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int]
    value: Mapped[float]
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    run: Mapped[Run] = relationship(back_populates="metrics")


inserted = []


@event.listens_for(Metric, "before_insert")
def note(mapper, connection, metric):
    inserted.append(metric.step)


engine = create_engine("sqlite:///runs.db")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Run(name="first"))
    session.commit()
long = Session(engine)
run = long.scalars(select(Run)).one()
print(run.name)
long.commit()
for step in range(6):
    with Session(engine) as session:
        loaded = session.get(Run, 1)
        loaded.metrics.append(Metric(step=step, value=step / 3))
        session.commit()
    if step % 2:
        point()
    print(step, inserted)
run.name = "renamed"
long.commit()
point()
print(long.scalars(select(Run).where(Run.name == "renamed")).one() is run, [metric.step for metric in run.metrics])
long.close()
with engine.connect() as connection:
    print(connection.execute(select(func.count(Metric.id), func.sum(Metric.value)).join(Run)).all())
