"""For commands: in whose name they write."""

from django.core.management.base import CommandError, CommandParser

from netmon.accounts.models import User
from netmon.common.permissions import has_role

USAGE, NOT_FOUND = 2, 4


def add_argument(parser: CommandParser) -> None:
    parser.add_argument("--user", metavar="NAME", help="the admin in whose name; default: the only one there is")


def acting_user(name: str | None) -> User:
    """The admin called `name`, else the only admin. Raises CommandError."""
    if name:
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is nobody called {name}.", returncode=NOT_FOUND)
        if not has_role(user, "admin"):
            raise CommandError(f"{name} is no admin.", returncode=USAGE)
        return user
    admins = [user for user in User.objects.filter(is_active=True) if has_role(user, "admin")]
    if len(admins) != 1:
        reason = "There is no admin: make one by create_admin." if not admins else "There are several admins: name one"
        raise CommandError(reason + (" by --user." if admins else ""), returncode=USAGE)
    return admins[0]
