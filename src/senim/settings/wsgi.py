"""The WSGI application that the web server runs."""

import signal

from django.core.wsgi import get_wsgi_application

from senim.runtime.processes import bind_to_parent

bind_to_parent(signal.SIGTERM)  # a web worker whose server was killed would hold the port
application = get_wsgi_application()
