"""Makes the virtual machine: a kernel that has sound, and a disk with Debian and this checkout.

In: apt's archive, PyPI, the checkout. Out, below the folder ``build/vm``: ``vmlinuz``, ``initrd``
and ``root.ext4``. What was fetched and unpacked stays there for the next time. Debian's packages
are unpacked and not installed (none of their scripts run); this project is installed by its own
``systemd/install.sh``, in a chroot, which takes seconds there and minutes in an emulated machine.

Needs root, apt-get, dpkg-deb, kmod, cpio, mkfs.ext4 and a static busybox.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
GUEST = Path(__file__).parent / "guest"

HOST_PACKAGES = ("qemu-system-x86", "kmod", "busybox-static", "cpio", "e2fsprogs")
HOST_PROGRAMS = ("qemu-system-x86_64", "modprobe", "depmod", "busybox", "cpio", "mkfs.ext4")

PACKAGES = (
    *("alsa-utils", "base-files", "base-passwd", "bash", "coreutils", "dash", "diffutils"),
    *("findutils", "grep", "gzip", "hostname", "kmod", "libc-bin", "libjack-jackd2-0"),
    *("libnss-systemd", "mount", "passwd", "procps", "python3", "python3-venv", "sed"),
    *("systemd", "tar", "udev", "util-linux"),
)

BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4")
MODULES = (
    *("snd-seq", "snd-seq-midi", "snd-usb-audio", "dummy_hcd", "libcomposite", "usb_f_midi"),
    *("configfs", "autofs4"),
)
DISK_MB = 1400

PLATFORMS = ("manylinux_2_28_{}", "manylinux_2_27_{}", "manylinux_2_17_{}", "manylinux2014_{}")

Say = Callable[[str], object]


class Unavailable(Exception):
    """The machine cannot be made here; the text says what is missing."""


class Broken(Exception):
    """The machine could be made but for a fault of this project; the text says which."""


def do(command: Sequence[str | Path], seconds: float = 300, **more: object) -> str:
    """Run a command and return its standard output.

    Raises:
        Unavailable: It failed; its last words are in the text.
    """
    line = [str(word) for word in command]
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            line, capture_output=True, text=True, check=False, timeout=seconds, **more
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{line[0]}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise Unavailable(f"{line[0]} failed ({done.returncode}): {last}")
    return str(done.stdout)


def digest(parts: Iterable[bytes]) -> str:
    """Return twelve characters that stand for the parts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:12]


def make_ready(say: Say) -> None:
    """See that this host can make and run the machine; in CI, install what is missing.

    Raises:
        Unavailable: It cannot.
    """
    if os.uname().machine != "x86_64":
        raise Unavailable("the virtual machine is made on x86-64 alone")
    if os.geteuid() != 0:
        raise Unavailable("making the disk needs root (chroot, mknod)")
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable("there is no apt-get: the machine is made of Debian's packages")
    if missing := [name for name in HOST_PROGRAMS if shutil.which(name) is None]:
        if not os.environ.get("CI"):
            # On a person's machine nothing is installed unasked.
            raise Unavailable(
                f"there is no {', '.join(missing)}: apt install {' '.join(HOST_PACKAGES)}"
            )
        say(f"installing {', '.join(HOST_PACKAGES)}, for want of {', '.join(missing)}")
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        do(["apt-get", "update", "-q"], env=environ)
        install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *HOST_PACKAGES]
        do(install, env=environ)


def fetch_debs(folder: Path, packages: Sequence[str], options: Sequence[str] = ()) -> list[Path]:
    """Return the packages and all they depend on, as files in ``folder``; the new are fetched.

    Raises:
        Unavailable: apt has none of them here, or no network.
    """
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    apt = [
        "apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dir::State::status=/dev/null",
        "-o", f"Dir::Cache::archives={folder.resolve()}", "-o", "APT::Sandbox::User=root",
        "-o", "Debug::NoLocking=1", *options, "install", *packages,
    ]  # fmt: skip
    # What belongs together is listed first: the folder may hold more, of another day.
    planned = re.findall(
        r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", do([*apt, "--simulate"]), re.MULTILINE
    )
    do([*apt, "--download-only"])
    names = [
        f"{name.partition(':')[0]}_{version.replace(':', '%3a')}_{machine}.deb"
        for name, version, machine in planned
    ]
    if missing := [name for name in names if not (folder / name).exists()]:
        raise Unavailable(f"apt fetched no {', '.join(missing[:3])}")
    return sorted(folder / name for name in names)


def unpack(deb: Path, root: Path, *members: str) -> None:
    """Unpack a package, or some of what is in it; links that stand for folders stay links."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as tar:
        do(["tar", "-x", "--keep-directory-symlink", "-C", root, *members], stdin=tar.stdout)


def unpack_all(root: Path, debs: Iterable[Path]) -> None:
    """Unpack packages into a folder in which ``/bin`` and its like are links, as in Debian."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for deb in debs:
        unpack(deb, root)


def make_root(root: Path, debs: Sequence[Path]) -> None:
    """Unpack Debian into ``root``, unless just this is there."""
    stamp, told = root / "vm-stamp", digest(deb.name.encode() for deb in debs)
    if stamp.exists() and stamp.read_text() == told:
        return
    shutil.rmtree(root, ignore_errors=True)
    unpack_all(root, debs)
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    for link, target in (("usr/bin/sh", "dash"), ("usr/bin/awk", "mawk")):
        if not (root / link).exists():
            (root / link).symlink_to(target)
    (root / "etc/shadow").write_text("root:*:19000::::::\n")
    (root / "etc/machine-id").touch()
    (root / "etc/hostname").write_text("perpetuo-vm\n")
    (root / "etc/fstab").write_text("tmpfs /tmp tmpfs mode=1777 0 0\n")
    for name in ("null", "zero", "random", "urandom"):
        node = root / "dev" / name
        node.unlink(missing_ok=True)
        os.mknod(node, 0o20666, os.stat(f"/dev/{name}").st_rdev)
        node.chmod(0o666)
    do(["ldconfig", "-r", root])
    stamp.write_text(told)


def fetch_kernel(work: Path) -> tuple[Path, str]:
    """Return a folder with Debian's kernel and its modules, and its version."""
    depends = do(["apt-cache", "depends", "linux-image-amd64"])
    found = re.search(r"Depends: (linux-image-(\S+))", depends)
    if found is None:
        raise Unavailable("apt has no linux-image-amd64; is this Debian? (apt-get update)")
    package, version = found[1], found[2]
    folder = work / f"kernel-{version}"
    if not (folder / "complete").exists():
        for old in work.glob("kernel-*"):
            shutil.rmtree(old)
        folder.mkdir()
        do(["apt-get", "download", "-q", package], cwd=folder)
        deb = next(folder.glob("*.deb"))
        unpack(deb, folder)
        deb.unlink()
        if (folder / "usr/lib/modules").is_dir() and not (folder / "lib").exists():
            (folder / "lib").symlink_to("usr/lib")
        do(["depmod", "-b", folder, version])
        (folder / "complete").touch()
    return folder, version


def copy_modules(kernel: Path, version: str, names: Iterable[str], root: Path) -> list[str]:
    """Copy modules and what they need into ``root``, and return their paths there, in order."""
    paths: list[str] = []
    for name in names:
        shown = do(["modprobe", "-d", kernel, "-S", version, "--show-depends", name])
        for line in shown.splitlines():
            if line.startswith("insmod "):
                path = Path(line.split()[1])
                inside = str(path.relative_to(kernel)).removesuffix(".xz")
                if inside not in paths:
                    paths.append(inside)
                    (root / inside).parent.mkdir(parents=True, exist_ok=True)
                    data = path.read_bytes()
                    unpacked = lzma.decompress(data) if path.suffix == ".xz" else data
                    (root / inside).write_bytes(unpacked)
    return paths


def make_initrd(work: Path, kernel: Path, version: str) -> None:
    """Write ``initrd``: finds the disk and hands over to it."""
    root = work / "initrd.d"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "dev", "disk"):
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "busybox", root / "bin/busybox")
    loads = copy_modules(kernel, version, BOOT_MODULES, root)
    busy = "/bin/busybox"
    lines = [
        f"#!{busy} sh",
        f"{busy} mount -t devtmpfs dev /dev",
        *(f"{busy} insmod /{path}" for path in loads),
        f"until [ -b /dev/vda ]; do {busy} sleep 0.1; done",
        f"{busy} mount -t ext4 /dev/vda /disk",
        f"{busy} mount --move /dev /disk/dev",
        # From the kernel's command line; words that it does not know become variables.
        f'exec {busy} switch_root /disk "${{first:-/opt/vm/init}}"',
    ]
    (root / "init").write_text("\n".join(lines) + "\n")
    (root / "init").chmod(0o755)
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    with (work / "initrd").open("wb") as target:
        subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-D", root],
            input="\n".join(names).encode(), stdout=target, check=True,
        )  # fmt: skip


def foreign(python_version: str, machine: str) -> list[str]:
    """Return pip's options for another Python or processor than its own."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name.format(machine))]
    return ["--only-binary=:all:", "--python-version", python_version, *platforms]


def fetch_wheels(folder: Path, python_version: str, machine: str) -> None:
    """Put a wheel of this checkout into ``folder``, and those of all it needs.

    Raises:
        Broken: The checkout's own wheel cannot be built.
        Unavailable: PyPI cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("perpetuo_midi-*.whl"):
        old.unlink()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    source = f"file://{CHECKOUT.resolve()}"
    try:
        do([*pip, "wheel", "--no-deps", "-w", folder, source])
    except Unavailable as error:
        raise Broken(f"the wheel cannot be built: {error}") from error
    wheel = next(folder.glob("perpetuo_midi-*.whl"))
    stamp = folder / f"complete-{python_version}-{digest([wheel_needs(wheel)])}"
    if stamp.exists():
        return
    do([
        *pip, "download", *foreign(python_version, machine),
        "-d", folder, f"perpetuo-midi[metrics,live,mqtt] @ {wheel.resolve().as_uri()}",
        "python-rtmidi>=1.5.8",
    ])  # fmt: skip
    stamp.touch()


def wheel_needs(wheel: Path) -> bytes:
    """Return what a wheel says of itself: with the same words it needs the same others."""
    from zipfile import ZipFile

    with ZipFile(wheel) as packed:
        name = next(name for name in packed.namelist() if name.endswith("/METADATA"))
        return packed.read(name)


def put_tiny_bundle(folder: Path) -> None:
    """Write the untrained bundle of the tests; an emulated processor hardly notices it."""
    try:
        from tests.bundles import write_tiny_bundle
    except ImportError as error:
        raise Unavailable(f"no test bundle without {error.name} (make install)") from error
    folder.mkdir()
    write_tiny_bundle(folder)


def put_project(work: Path, root: Path) -> None:
    """Install the checkout in ``root`` as a person would, and put the guest's tests beside it."""
    version = next((root / "usr/bin").glob("python3.[0-9]*")).name.removeprefix("python")
    fetch_wheels(work / "wheels", version, "x86_64")
    for name in ("vm", "perpetuo-source"):
        shutil.rmtree(root / "opt" / name, ignore_errors=True)
    shutil.copytree(GUEST, root / "opt/vm")
    put_tiny_bundle(root / "opt/vm/bundles")
    (root / "opt/vm/init").chmod(0o755)
    source = root / "opt/perpetuo-source"
    shutil.copytree(CHECKOUT / "systemd", source / "systemd")
    shutil.copy(CHECKOUT / "README.md", source)
    wheels = source / "wheels"
    wheels.mkdir()
    for wheel in (work / "wheels").glob("*.whl"):
        shutil.copy(wheel, wheels)
    for kept in (root / "etc/perpetuo", root / "var/lib/perpetuo"):
        shutil.rmtree(kept, ignore_errors=True)
    environ = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    script = "/opt/perpetuo-source/systemd/install.sh"
    chroot = ["chroot", root, "bash", script, "--wheels", "/opt/perpetuo-source/wheels"]
    try:
        do(chroot, env=environ)
        # What does not even start is found in a second here, and in minutes there.
        do(["chroot", root, "perpetuo", "play", "--help"], env=environ)
        do(["chroot", root, "perpetuo", "models"], env=environ)
    except Unavailable as error:
        raise Broken(f"installed in a chroot: {error}") from error
    unit = root / "etc/systemd/system/vm-scenario.service"
    shutil.copy(GUEST / "vm-scenario.service", unit)
    wants = unit.parent / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    if not (wants / unit.name).is_symlink():
        (wants / unit.name).symlink_to(f"../{unit.name}")
    for name in ("getty.target", "serial-getty@.service", "console-getty.service"):
        if not (unit.parent / name).is_symlink():
            (unit.parent / name).symlink_to("/dev/null")


def make_image(work: Path, say: Say) -> None:
    """Make ``vmlinuz``, ``initrd`` and ``root.ext4`` below ``work``.

    Raises:
        Unavailable: Something that is not of this project is missing.
        Broken: This project does not build or install.
    """
    try:
        _make_image(work, say)
    except Unavailable as error:
        say(f"{error}; renewing apt's lists")
        do(["apt-get", "update", "-q"])
        _make_image(work, say)


def _make_image(work: Path, say: Say) -> None:
    work.mkdir(parents=True, exist_ok=True)
    root = work / "root"
    say("fetching Debian's packages and kernel")
    debs = fetch_debs(work / "debs", PACKAGES)
    kernel, version = fetch_kernel(work)
    make_root(root, debs)
    shutil.copy(kernel / f"boot/vmlinuz-{version}", work / "vmlinuz")
    make_initrd(work, kernel, version)
    modules = root / "usr/lib/modules" / version
    if not modules.exists():
        copy_modules(kernel, version, MODULES, root)
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.copy(kernel / "lib/modules" / version / name, modules)
        do(["depmod", "-b", root, version])
    say("installing the checkout on the machine's disk")
    put_project(work, root)
    disk = work / "root.ext4"
    disk.unlink(missing_ok=True)
    do(["mkfs.ext4", "-q", "-O", "^has_journal", "-d", root, disk, f"{DISK_MB}M"])
