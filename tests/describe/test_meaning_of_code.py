from tlimb.describe.code import identity, meaning


def _write(folder, **files):
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_a_component_imports_from_the_code_folder_is_part_of_its_identity(tmp_path):
    _write(
        tmp_path,
        nets="import blocks\nfrom lab2 import parts\n\nclass Net: ...\n",
        blocks="WIDTH = 4\n",
        alone="x = 1\n",
    )
    (tmp_path / "lab2").mkdir()
    (tmp_path / "lab2" / "__init__.py").write_text("")
    (tmp_path / "lab2" / "parts.py").write_text("DEPTH = 1\n")
    before = identity("nets.Net", (tmp_path,))
    _write(tmp_path, alone="x = 2\n")
    assert identity("nets.Net", (tmp_path,)) == before
    _write(tmp_path, blocks="WIDTH = 4  # a note\n")
    assert identity("nets.Net", (tmp_path,)) == before
    _write(tmp_path, blocks="WIDTH = 5\n")
    sibling = identity("nets.Net", (tmp_path,))
    assert sibling != before
    (tmp_path / "lab2" / "parts.py").write_text("DEPTH = 2\n")
    assert identity("nets.Net", (tmp_path,)) != sibling


def test_the_meaning_of_a_module_does_not_hang_on_pythons_own_dump(tmp_path):
    _write(tmp_path, one='"""Text."""\nclass A:\n    def f(self): return [1, "x"]\n')
    # Empty optional fields, which differ between versions of Python, are left out.
    assert meaning(tmp_path / "one.py") == (
        "Module(body=[ClassDef(name='A',body=[FunctionDef(name='f',args=arguments(args=[arg(arg='self')]),"
        "body=[Return(value=List(elts=[Constant(value=1),Constant(value='x')],ctx=Load()))])])])"
    )
