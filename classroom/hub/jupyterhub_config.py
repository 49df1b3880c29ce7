"""JupyterHub for a class on one server. What a teacher chooses is in settings.toml, not here."""

import grp
import os
import sys
from pathlib import Path

from classroom.hub.settings import load
from classroom.hub.spawner import LimitedSpawner, threads

c = get_config()  # type: ignore[name-defined]  # noqa: F821
chosen = load()
environment = Path(sys.prefix)
# The proxy finds Node here. The path is the students' too: nbgrader and git must be found by them.
os.environ["PATH"] = os.pathsep.join([str(environment / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])

# Where it listens, and where its own files are.
c.JupyterHub.bind_url = chosen.address
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{chosen.hub_port}"
c.JupyterHub.ssl_cert = chosen.certificate
c.JupyterHub.ssl_key = chosen.key
c.JupyterHub.db_url = f"sqlite:///{chosen.state}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = f"{chosen.state}/cookie_secret"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{chosen.proxy_port}"
c.ConfigurableHTTPProxy.pid_file = f"{chosen.state}/proxy.pid"
c.ConfigurableHTTPProxy.command = [str(environment / "bin" / "course-hub-proxy")]

# Who may log in: the accounts of this machine, by their own passwords, if they are in the students' group.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {chosen.students}
c.Authenticator.allowed_users = {chosen.teacher}
c.Authenticator.admin_users = set()  # an administrator of the hub could enter every student's server
grp.getgrnam(chosen.students)  # without the group it stops here, not at the first login

# What a server may take.
c.JupyterHub.spawner_class = LimitedSpawner
c.LimitedSpawner.mem_limit = round(chosen.memory_gb * 2**30)
c.LimitedSpawner.cpu_limit = chosen.processors
c.LimitedSpawner.process_limit = chosen.processes
c.LimitedSpawner.without_control_groups = chosen.without_control_groups
c.Spawner.environment = threads(chosen.processors)
c.Spawner.env_keep = ["PATH", "LANG", "COURSE_HUB_SETTINGS"]
c.Spawner.cmd = [str(environment / "bin" / "jupyterhub-singleuser")]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 180  # a whole class starts at the same minute
c.Spawner.http_timeout = 180
c.Spawner.poll_interval = 10  # what a server that died has left is cleared after so many seconds
c.LocalProcessSpawner.interrupt_timeout = 10

# A class leaves its kernels running; each holds its memory until it is shut down.
idle = chosen.idle_minutes * 60
c.Spawner.args = [
    f"--MappingKernelManager.cull_idle_timeout={idle}",
    "--MappingKernelManager.cull_interval=60",
    f"--ServerApp.shutdown_no_activity_timeout={idle}",
]


def only_the_teacher_grades(spawner: LimitedSpawner) -> None:
    """The formgrader and the course list are switched off for all, and on again for the teacher."""
    if spawner.user.name == chosen.teacher:
        spawner.environment["JUPYTER_CONFIG_PATH"] = str(environment / "etc" / "course-hub-teacher")


c.Spawner.pre_spawn_hook = only_the_teacher_grades
