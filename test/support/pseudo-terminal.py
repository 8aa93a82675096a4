# Runs a command in a pseudo-terminal of its own. Its output goes to stdout, stdin goes to its keyboard. Descriptor 3 takes a line of
# JSON for each thing to do to it: {"signal": 15}, {"resize": [rows, columns]}. Ends with its exit code, or 128 and the number of the
# signal that ended it. The last line of stderr tells whether the terminal was left as it was found.
import fcntl, json, os, select, signal, struct, subprocess, sys, termios

rows, columns = int(sys.argv[1]), int(sys.argv[2])
master, slave = os.openpty()


def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(rows, columns)
before = termios.tcgetattr(slave)


def take_terminal():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


child = subprocess.Popen(sys.argv[3:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_terminal)
signal.signal(signal.SIGTERM, lambda *_: child.kill())
sources = [master, 0, 3]
control = b""
while True:
    ready, _, _ = select.select(sources, [], [], 0.02)
    for source in ready:
        try:
            data = os.read(source, 65536)
        except OSError:
            data = b""
        if source == master:
            os.write(1, data)
        elif data == b"":
            sources.remove(source)
        elif source == 0:
            os.write(master, data)
        else:
            control += data
            *lines, control = control.split(b"\n")
            for line in lines:
                command = json.loads(line)
                if "signal" in command:
                    child.send_signal(command["signal"])
                else:
                    resize(*command["resize"])
                    child.send_signal(signal.SIGWINCH)
    if not ready and child.poll() is not None:
        break
os.write(2, json.dumps({"restored": termios.tcgetattr(slave) == before}).encode() + b"\n")
code = child.returncode
sys.exit(code if code >= 0 else 128 - code)
