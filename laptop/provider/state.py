"""What the engine keeps about a resource: decided here from what is declared and what AWS says.

Inputs are what the program declares, outputs what exists. ``AUTONAMED`` in the inputs names the
property whose value was made up (the bridge of the genuine provider spells it so), ``INCOMPLETE``
in the outputs says that the resource was made halfway.
"""

from typing import Any

from ..resources import provider
from ..resources.compare import is_asset, same
from ..resources.handler import Digits, Handler, Where
from ..resources.shape import UNKNOWN, Properties

AUTONAMED = "__defaults"
INCOMPLETE = "__incomplete"


def completed(
    handler: Handler,
    name: str,
    news: Properties,
    olds: Properties,
    digits: Digits,
    proposed: str = "",
) -> Properties:
    """The inputs as the program would have had to write them in full.

    A name that was made up is kept for as long as the program gives none; a new one is the one
    that the engine ``proposed``, if it did.
    """
    naming = handler.naming
    if naming is None or news.get(naming.property):
        return handler.complete(name, news, None, digits)
    old = olds if naming.property in olds.get(AUTONAMED, ()) else None
    if proposed and old is None:
        news = {**news, naming.property: proposed}
    return handler.complete(name, news, old, digits) | {AUTONAMED: [naming.property]}


def changed(
    handler: Handler, olds: Properties, old_inputs: Properties, news: Properties
) -> frozenset[str]:
    """Names of the inputs that an update has to change.

    One that was made halfway is compared with what exists, for its inputs were never true.
    """
    if INCOMPLETE in olds:
        return handler.difference(olds, news)
    return handler.difference(old_inputs, news)


def replacing(
    handler: Handler, olds: Properties, news: Properties, changes: frozenset[str]
) -> frozenset[str]:
    """Names of the properties that need a new resource."""
    if INCOMPLETE in olds and not handler.mendable:
        return handler.replaces
    return handler.replacing(changes, news)


def collides(handler: Handler, olds: Properties, news: Properties) -> bool:
    """Whether the old resource has to go first; a name that is made up will be another one."""
    if handler.naming and handler.naming.property in news.get(AUTONAMED, ()):
        return False
    return handler.collides(olds, news)


def foreseen(handler: Handler, where: Where, news: Properties) -> Properties:
    """The outputs of a resource that is to be made.

    Known is what the genuine provider knows then, the inputs: a program that needs more in a
    preview would work here and fail there.
    """
    told = provider.output_properties(handler.type) - provider.input_properties(handler.type)
    told |= handler.computed | handler.digests.keys()
    outputs: Properties = dict.fromkeys(told, UNKNOWN)
    outputs |= declared(news) | {"region": where.region}
    return outputs | _all_tags(handler, news)


def changing(
    handler: Handler, olds: Properties, news: Properties, changes: frozenset[str]
) -> Properties:
    """The outputs of a resource that is to be changed in place."""
    outputs = {name: value for name, value in olds.items() if name not in changes}
    for output, followed in handler.follows.items():
        if changes & followed or (changes and not followed):
            outputs[output] = UNKNOWN
    outputs.pop(INCOMPLETE, None)
    return outputs | declared(news) | _all_tags(handler, news)


def made(
    handler: Handler, news: Properties, outputs: Properties, found: Properties | None
) -> Properties:
    """The outputs of a resource that was made or changed, ``outputs`` so far, as AWS has it."""
    kept = {name: value for name, value in declared(news).items() if is_asset(value)}
    if found is None:
        return {**outputs, **kept}
    return {
        **{name: outputs[name] for name in outputs.keys() - _told(handler)},
        **kept,
        **_spelt(found, news),
    }


def halfway(
    handler: Handler, news: Properties, outputs: Properties, found: Properties | None
) -> Properties:
    """The outputs of a resource that was made halfway, as AWS has it.

    If that cannot be told, only what names it is sure.
    """
    if found is None:
        unsure = _told(handler) - {*handler.key}
        outputs = {name: value for name, value in outputs.items() if name not in unsure}
    return made(handler, news, outputs, found) | {INCOMPLETE: True}


def refreshed(
    handler: Handler, olds: Properties, old_inputs: Properties, found: Properties
) -> tuple[Properties, Properties]:
    """The outputs and the inputs of a resource as AWS has it now.

    An input is another one if what AWS says of it is: a value that the program spells in its own
    way, or leaves to AWS, stays as it was.
    """
    stale = _stale(handler, olds, found)
    told = _told(handler)
    outputs = {name: olds[name] for name in olds.keys() - told - stale} | _spelt(found, olds)
    if INCOMPLETE in olds:
        kept = old_inputs.keys() - declared(old_inputs).keys()  # a made-up name stays known as such
        return outputs, found_inputs(handler, found) | {name: old_inputs[name] for name in kept}
    inputs = {name: value for name, value in old_inputs.items() if name not in stale}
    for name in told:
        if same(found.get(name), olds.get(name)):
            continue
        inputs.pop(name, None)
        if name in found:
            inputs[name] = found[name]
    return outputs, inputs


def found_inputs(handler: Handler, found: Properties) -> Properties:
    """The inputs that would make what AWS has, as the program would write them."""
    defaults = {name: handler.defaults[name] for name in handler.defaults.keys() & handler.hidden()}
    return defaults | {
        name: value
        for name, value in found.items()
        if name in _told(handler) and not same(value, None)
    }


def sealed(handler: Handler, secrets: frozenset[str]) -> frozenset[str]:
    """Names of the inputs that are secret, and of the outputs that repeat what is in them."""
    follow = {output for output, inputs in handler.follows.items() if inputs & secrets}
    return secrets | follow | ({"tagsAll"} if "tags" in secrets else frozenset())


def detail(one: Any, other: Any, path: str) -> dict[str, str]:
    """The paths that differ between two values, each with ``add``, ``delete`` or ``update``."""
    if same(one, other):
        return {}
    if one is None or other is None:
        return {path: "add" if one is None else "delete"}
    if isinstance(one, dict) and isinstance(other, dict) and not is_asset(one):
        names = sorted(one.keys() | other.keys())
        parts = [
            detail(
                one.get(n), other.get(n), f"{path}.{n}" if n.isidentifier() else f'{path}["{n}"]'
            )
            for n in names
        ]
    elif isinstance(one, list) and isinstance(other, list):
        longest = max(len(one), len(other))
        padded = [[*side, *[None] * (longest - len(side))] for side in (one, other)]
        parts = [detail(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(*padded, strict=True))]
    else:
        parts = [{path: "update"}]
    return {path: kind for part in parts for path, kind in part.items()}


def _told(handler: Handler) -> frozenset[str]:
    """Names of the inputs that AWS tells."""
    return handler.properties() - handler.hidden()


def declared(news: Properties) -> Properties:
    """The inputs without what only the engine keeps."""
    return {name: value for name, value in news.items() if not name.startswith("__")}


def _all_tags(handler: Handler, news: Properties) -> Properties:
    return {"tagsAll": news.get("tags", {})} if "tags" in handler.properties() else {}


def _spelt(found: Properties, before: Properties) -> Properties:
    """What AWS has, in the spelling of ``before`` wherever that means the same."""
    return {
        name: before[name] if name in before and same(before[name], value) else value
        for name, value in found.items()
    }


def _stale(handler: Handler, olds: Properties, found: Properties) -> frozenset[str]:
    """Hidden inputs that are no longer true, as another digest shows."""
    gone: frozenset[str] = frozenset()
    for digest, shown in handler.digests.items():
        if digest in olds and digest in found and olds[digest] != found[digest]:
            gone |= shown
    return gone
