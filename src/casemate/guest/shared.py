"""What both processes of the guest import, loaded before they part (init.py).

Loading it twice would cost a second of one processor, emulated. Nothing here starts a thread.
"""

import casemate.guest.log_lines
import casemate.guest.messages
import casemate.guest.provision
import casemate.linux.child
import casemate.net.tls
import casemate.net.ttrpc  # noqa: F401  # all of these for the two processes to find
