"""Packages that register methods of their own, installed into a folder as pip does it."""

from pathlib import Path

BRIGHTNESS = '''
class Brightness:
    """Frames that are darker or brighter than usual."""

    def __init__(self):
        self.learned = []

    def learn(self, frames):
        self.learned += [float(frame.picture.mean()) for frame in frames]

    def score(self, frames):
        usual = sum(self.learned) / len(self.learned)
        return [abs(float(frame.picture.mean()) - usual) for frame in frames]
'''


def install(folder: Path, package: str, source: str, **methods: str) -> Path:
    """Install a package of one module, with entry points of `streammon.methods`.

    Args:
        folder: Folder on Python's path.
        package: Name of the package; its module has `_` for `-`.
        source: Source of the module.
        methods: Class, or any other attribute, of the module by the method's name.
    """
    module = package.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(source)
    facts = folder / f"{module}-1.5.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    lines = [f"{name} = {module}:{attribute}" for name, attribute in methods.items()]
    (facts / "entry_points.txt").write_text("\n".join(["[streammon.methods]", *lines]) + "\n")
    return folder
