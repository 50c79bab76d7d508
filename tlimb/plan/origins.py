"""Where a setting of a run is written in the spec, under the assignment that the run is of."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tlimb.language.model import Stage, Study
from tlimb.language.reading import label
from tlimb.language.values import Choice, Compare, Component, Param, Range, Record, Value, escape
from tlimb.manifest import Json
from tlimb.plan.pieces import as_component


@frozen
class Origin:
    """Where a setting's value is written, and what it is there.

    Attributes:
        stage: the stage whose setting it is: for an inherited architecture, the stage that has it.
        pointer: JSON pointer of the value itself, inside the chosen alternative or the param.
        value: the value under the assignment, options included.
        used: pointers of the `{param: ..}` nodes that lead to it.
    """

    stage: str
    pointer: str
    value: Value
    used: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Give the value in a few words, such as `resnet3d depth=10`."""
        return label(as_component(self.value) or self.value)


class Origins:
    """Finds settings of one study.

    A run is named by one of its uses as they stand in manifests: the stage, and the label that was chosen at each
    place of the search and of the comparisons.
    """

    def __init__(self, study: Study) -> None:
        """Take the study."""
        self.study = study

    def find(self, use: Mapping[str, Json], setting: str) -> Origin:
        """Give the origin of a setting of a run.

        Args:
            use: one use of the run's manifest.
            setting: a key of the stage, `freeze/up_to` for a key of a block; `architecture` is looked for where the
                run's encoder comes from.
        """
        labels = {**use.get("row", {}), **use.get("configuration", {})}
        stage = self.study.stages[use["stage"]]
        if setting == "architecture":
            stage = self._root(stage, labels)
        if setting == "from":
            value, pointer = self._encoder(stage)
            return self._follow(stage, value, pointer, labels)
        pointer = stage.origins.get(setting, stage.pointer)
        found: Any = stage
        for key in setting.split("/"):
            found = getattr(found, key, None)
        return self._follow(stage, found, pointer, labels)

    def _root(self, stage: Stage, labels: Mapping[str, str]) -> Stage:
        """Give the stage that the encoder begins in: itself, or the ancestor that its weights come from."""
        seen = [stage.name]
        while True:
            value, pointer = self._encoder(stage)
            parent = self._follow(stage, value, pointer, labels).value
            if parent not in self.study.stages or parent in seen:
                return stage
            seen.append(parent)
            stage = self.study.stages[parent]

    def _encoder(self, stage: Stage) -> tuple[Value, str]:
        pointer = stage.origins.get("from", stage.pointer)
        if isinstance(stage.from_, Mapping):
            return stage.from_.get("encoder"), f"{pointer}/encoder"
        return stage.from_, pointer

    def _follow(self, stage: Stage, value: Value, pointer: str, labels: Mapping[str, str]) -> Origin:
        used: list[str] = []
        while True:
            if isinstance(value, Param):
                used.append(value.pointer)
                value, pointer = self._param(value, labels)
            elif isinstance(value, Choice | Compare):
                chosen = next((one for one in value.alternatives if one.label == labels.get(value.place)), None)
                if chosen is None:
                    return Origin(stage.name, value.pointer, value, tuple(used))
                value, pointer = chosen.value, chosen.pointer
            else:
                if isinstance(value, Component | Record | Range):
                    pointer = value.pointer
                return Origin(stage.name, pointer, self._resolved(stage, value, labels), tuple(used))

    def _resolved(self, stage: Stage, value: Value, labels: Mapping[str, str]) -> Value:
        """Choose inside the options of a component, or the fields of a record, too."""
        if isinstance(value, Component):
            options = {key: self._follow(stage, inner, "", labels).value for key, inner in value.options.items()}
            return Component(value.name, options, value.pointer)
        if isinstance(value, Record):
            fields = {key: self._follow(stage, inner, "", labels).value for key, inner in value.fields.items()}
            return Record(fields, value.pointer)
        return value

    def _param(self, param: Param, labels: Mapping[str, str]) -> tuple[Value, str]:
        value = self.study.params.get(param.name)
        pointer = f"/params/{escape(param.name)}"
        if param.field is None:
            return value, pointer
        record = self._follow(next(iter(self.study.stages.values())), value, pointer, labels).value
        if isinstance(record, Record) and param.field in record.fields:
            return record.fields[param.field], f"{record.pointer}/{escape(param.field)}"
        return None, pointer
