"""The parameters of an emitted project under nf-core's own linter of schemas."""

import os
import re
import shlex
from pathlib import Path

import pytest
from engines import call
from studies import tlimb


@pytest.mark.skipif("TLIMB_NF_CORE" not in os.environ, reason="it has an environment of its own: make test-nf-core")
def test_nf_core_reads_the_parameters_and_warns_of_the_address_of_the_schema_alone(fresh, engine, tmp_path):
    words = [*shlex.split(os.environ["TLIMB_NF_CORE"]), "pipelines", "schema", "lint", "nextflow_schema.json"]
    tlimb(fresh.folder, "emit", fresh.path.name, "-o", "build")
    build = fresh.folder / "build"
    path = f"{Path(engine).parent}{os.pathsep}{os.environ['PATH']}"
    said = re.sub(r"\s+", " ", call(words, build, PATH=path, COLUMNS="300"))
    assert "Default parameters match schema validation" in said
    assert "Pipeline schema looks valid (found 7 params)" in said
    # The project is in no repository of anybody, so its schema has no address there.
    assert said.count("WARNING") == 1
    assert "WARNING Schema `$id` should be" in said
    schema = build / "nextflow_schema.json"
    schema.write_text(schema.read_text().replace('"default": "copy"', '"default": "throw"'))
    assert "copy" in call(words, build, code=1, PATH=path, COLUMNS="300"), "the linter passes everything"
