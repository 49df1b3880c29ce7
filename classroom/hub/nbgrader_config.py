"""nbgrader for every account of the server: which course, which exchange, and whose submissions are taken."""

from classroom.hub.exchange import ClosedSubmit, OwnedCollect
from classroom.hub.settings import load

c = get_config()  # type: ignore[name-defined]  # noqa: F821
chosen = load()
c.CourseDirectory.course_id = chosen.course
c.Exchange.root = str(chosen.exchange)
c.ExchangeFactory.submit = ClosedSubmit
c.ExchangeFactory.collect = OwnedCollect
