"""A cable that goes and comes back between two looks, as the kernel's list of clients shows it."""

from streamer.ports import open_port
from streamer.ports.alsalinks import is_linked, linked, links
from streamer.ports.backends import AlsaBackend
from streamer.ports.listening import open_input
from streamer.ports.owner import MidiOwner
from tests.streamer.test_ports import ON, SYNTH, FakeSystem

KERNEL = """\
Client info
  cur  clients : 4
  peak clients : 5
  max  clients : 192

Client   0 : "System" [Kernel]
  Port   1 : "Announce" (R-e-)
    Connecting To: 128:0
Client  20 : "Juno-60" [Kernel]
  Port   0 : "Juno-60 MIDI 1" (RWeX)
    Connecting To: 131:0
    Connected From: 130:0
Client 130 : "Perpetuo" [User Legacy]
  Port   0 : "out" (R-e-)
    Connecting To: 20:0[ex][real:0], 36:1
  Output pool :
    Pool size          : 500
Client 131 : "Perpetuo in" [User]
  Port   0 : "in" (-We-)
    Connected From: 20:0[real:0]
"""
CUT = "\n".join(line for line in KERNEL.splitlines() if "20:0" not in line)


class Kernel(AlsaBackend):
    """The backend on a fake system, beside a list of clients that is a file."""

    def __init__(self, system, clients):
        super().__init__(system, 0, "Perpetuo", clients)

    def _probe(self, *, another=False):
        return None


class InputSystem(FakeSystem):
    """A fake system whose clients can listen as well."""

    def __init__(self, *names):
        super().__init__(*names)
        self.MidiOut.ignore_types = lambda self, **kinds: None
        self.MidiOut.get_message = lambda self: None


def bench(tmp_path, text):
    clients = tmp_path / "clients"
    if text is not None:
        clients.write_text(text)
    system = InputSystem(SYNTH)
    return clients, system, MidiOwner([Kernel(system, clients)], threaded=False)


def test_connections_are_read_from_the_kernels_list():
    assert links(KERNEL, "Perpetuo", "output") == {"20:0", "36:1"}
    assert links(KERNEL, "Perpetuo in", "input") == {"20:0"}
    assert links(KERNEL, "Perpetuo", "input") == set()


def test_a_list_that_is_not_there_or_a_name_without_numbers_says_nothing(tmp_path):
    assert is_linked(SYNTH, "Perpetuo", "output", tmp_path / "none") is None
    (tmp_path / "clients").write_text(KERNEL)
    assert is_linked("Juno-60", "Perpetuo", "output", tmp_path / "clients") is None


def test_a_replug_between_two_looks_is_noticed_though_every_name_is_the_same(tmp_path):
    clients, system, owner = bench(tmp_path, KERNEL)
    port = open_port("juno", owner=owner)
    owner.look_now()
    assert port.epoch == 1
    before = len(system.clients)
    clients.write_text(CUT)
    owner.look_now()
    assert port.epoch == 2
    assert len(system.clients) == before
    port.send(ON)
    assert system.sent[-1] == (SYNTH, ON)


def test_a_replug_of_a_controller_between_two_looks_is_noticed(tmp_path):
    clients, _, owner = bench(tmp_path, KERNEL)
    port = open_input("juno", "Perpetuo", owner, lambda message: None)
    first = port._listener
    clients.write_text(CUT)
    owner.look_now()
    assert port.hears
    assert port._listener is not first
    assert not first.is_open


def test_a_kernel_without_the_list_is_believed_by_its_names(tmp_path):
    for text in (None, CUT, "another format"):
        _, _, owner = bench(tmp_path, text)
        port = open_port("juno", owner=owner)
        owner.look_now()
        owner.look_now()
        assert port.epoch == 1


def test_what_is_connected_to_a_port_of_our_own_is_called_by_its_name(tmp_path):
    clients = tmp_path / "clients"
    assert linked("Perpetuo", "output", clients) is None
    clients.write_text(KERNEL)
    assert ["36:1", "Juno-60:Juno-60 MIDI 1"] == linked("Perpetuo", "output", clients)
    assert ["Juno-60:Juno-60 MIDI 1"] == linked("Perpetuo in", "input", clients)
    assert [] == linked("Another", "output", clients)
