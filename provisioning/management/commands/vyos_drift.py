import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.management import answered
from provisioning.management import asked, following
from provisioning.models import DriftItem, VyosRouter
from provisioning.services import drift


class Command(BaseCommand):
    help = (
        "Compare a router with what netmon means it to have. --heal gives the router what netmon wishes, --adopt takes "
        f"over what the router has. 3: something differs (still). {asked.CODES}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("router", help="name or number of the VyOS router")
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--heal", nargs="+", metavar="ITEM", help="numbers as printed, or all")
        chosen.add_argument("--adopt", nargs="+", metavar="ITEM", help="numbers as printed, or all")
        parser.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="for a heal (%(default)g)")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        router = asked.router(options["router"])
        direction = "heal" if options["heal"] else "adopt" if options["adopt"] else ""
        with asked.refusals():
            found = drift.compare(router)
            change, adopted = None, tuple[str, ...]()
            if direction and (ids := _chosen(found, options[direction], direction)):
                done = drift.reconcile(router, ids, direction, via=asked.VIA)
                change, adopted = done.change, done.adopted
        if change is not None:
            change = following.follow(change, options["wait"])
        left = list(DriftItem.objects.filter(router=router).select_related("vm__device"))
        if change is not None and change.status == "applied":
            with asked.refusals():
                left = drift.compare(router)
        if options["json"]:
            shown = following.as_dict(change) if change is not None else None
            answered.write_json(
                self,
                {"router": str(router), "items": [_as_dict(one) for one in left], "adopted": adopted, "change": shown},
            )
        else:
            self._show(router, left, adopted)
            if change is not None:
                self.stdout.write(following.words(change))
        code = following.exit_code(change) if change is not None else asked.OK
        sys.exit(code or (asked.PARTLY if left else asked.OK))

    def _show(self, router: VyosRouter, left: Sequence[DriftItem], adopted: Sequence[str]) -> None:
        for label in adopted:
            self.stdout.write(f"Taken over: {label}")
        if not left:
            self.stdout.write(f"{router} has what netmon means it to have.")
        for one in left:
            whose = f" ({one.vm.name})" if one.vm is not None else ""
            can = "" if one.kind == "foreign" else ", can be healed or adopted" if one.can_adopt else ", can be healed"
            self.stdout.write(f"{one.pk}  {one.label}{whose}: {one.get_kind_display().lower()}{can}")
            for text in one.words:
                self.stdout.write(f"     {text}")
            for line in one.lines:
                self.stdout.write(f"     {line}")


def _chosen(found: Sequence[DriftItem], texts: Sequence[str], direction: str) -> list[int]:
    """Of "all" what can be done; of numbers exactly these. Raises CommandError."""
    if list(texts) == ["all"]:
        return [one.pk for one in found if (one.can_adopt if direction == "adopt" else one.kind != "foreign")]
    numbers = []
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise CommandError(f"{text[:40]!r} is no number: write those printed, or all.", returncode=asked.USAGE)
        numbers.append(int(text))
    if missing := sorted(set(numbers) - {one.pk for one in found}):
        raise CommandError(f"Nothing that differs has the number {missing[0]}.", returncode=asked.NOT_FOUND)
    return numbers


def _as_dict(one: DriftItem) -> dict[str, Any]:
    names = ("id", "kind", "label", "words", "lines", "can_adopt", "found_at")
    return {**{name: getattr(one, name) for name in names}, "machine": one.vm.name if one.vm is not None else None}
