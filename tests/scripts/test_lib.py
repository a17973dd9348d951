"""What the scripts share (scripts/lib.sh), each function in a bash of its own as scripts run it."""

import os
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Lib(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.env = os.environ | {"XDG_CACHE_HOME": folder.name}

    def start(self, script):
        text = f"set -euo pipefail; source '{ROOT}/scripts/lib.sh'; {script}"
        return subprocess.Popen(
            ["bash", "-c", text], env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run_to_its_end(self, script):
        process = self.start(script)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def test_a_server_that_takes_connections_and_says_nothing_is_not_waited_for_for_ever(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            begun = time.monotonic()
            self.assertNotEqual(self.run_to_its_end(f"wait_ready {url} 1")[0], 0)
        self.assertLess(time.monotonic() - begun, 30)

    def test_a_server_that_has_ended_is_not_waited_for(self):
        script = "sleep 0 & wait $!; wait_ready http://127.0.0.1:1/ 600 $!"
        self.assertNotEqual(self.run_to_its_end(script)[0], 0)

    def test_to_end_a_process_that_has_ended_is_no_failure(self):
        code, out, err = self.run_to_its_end("sleep 0 & wait $!; end_process $!; echo went on")
        self.assertEqual((code, out), (0, "went on\n"), err)

    def test_a_process_is_ended(self):
        code, _, err = self.run_to_its_end("sleep 600 & end_process $!; ! kill -0 $! 2>/dev/null")
        self.assertEqual(code, 0, err)

    def test_packages_that_could_not_be_installed_fail_each_time_and_are_never_taken_for_there(self):
        wanted = self.folder / "requirements.txt"
        wanted.write_text(f"{self.folder}/not-there.whl\n")
        for _ in range(2):
            code, out, err = self.run_to_its_end(f"bin=$(python_with {wanted}); echo \"$bin\"")
            self.assertEqual((code != 0, out), (True, ""), err)
            self.assertIn("could not be installed", err)

    def test_two_that_want_the_same_packages_at_once_get_them(self):
        wanted = self.folder / "requirements.txt"
        wanted.write_text("# Nothing but Python.\n")
        both = [self.start(f"\"$(python_with {wanted})/python\" -c 'print(1)'") for _ in range(2)]
        ended = [process.communicate(timeout=120) for process in both]
        self.assertEqual([out for out, _ in ended], ["1\n", "1\n"], ended)
        # One made it.
        self.assertEqual(sum("installing" in err for _, err in ended), 1, ended)


if __name__ == "__main__":
    unittest.main()
