"""A headless Chromium for a test, spoken to over a pipe (its own protocol, with
--remote-debugging-pipe): no driver and no library are needed.

    with Browser(folder) as page:
        page.open("http://127.0.0.1:8080/")
        page.put_file("input[type=file]", "/tmp/in.jpg")
        page.run("document.querySelector('button').click()")
        page.wait(10, "document.querySelector('.done')")
        page.picture("/tmp/page.png")
"""

import base64
import json
import os
import select
import subprocess
import time

from stalled import stalled

CHROMIUM = "/usr/bin/chromium"


class Browser:
    def __init__(self, folder, script=True, width=1000, height=900):
        """folder: where the browser may keep its profile and log. script:
        whether pages may run JavaScript (run() may, always)."""
        down, self.out = os.pipe()
        self.inn, up = os.pipe()
        # The browser reads commands from descriptor 3 and writes to 4.
        low = [os.dup(fd) if fd in (3, 4) else fd for fd in (down, up)]
        with open(os.path.join(folder, "chromium.log"), "ab") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c",
                 f'exec "$@" 3<&{low[0]} 4>&{low[1]}', "sh", CHROMIUM,
                 "--headless=new", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking",
                 f"--user-data-dir={folder}/profile",
                 f"--window-size={width},{height}",
                 "--remote-debugging-pipe", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=low, env={**os.environ, "HOME": folder})
        for fd in {down, up, *low}:
            os.close(fd)
        self.number, self.rest, self.session = 0, b"", None
        targets = self.ask("Target.getTargets")["targetInfos"]
        target = next(t for t in targets if t["type"] == "page")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target,
                                flatten=True)["sessionId"]
        self.ask("Page.enable")
        if not script:
            self.ask("Emulation.setScriptExecutionDisabled", value=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # The shell that starts the next one knows descriptors below 10 only.
        os.close(self.out)
        os.close(self.inn)

    def ask(self, method, **params):
        """Send a command; its result, or an exception with its error."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read(20)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def read(self, seconds):
        while b"\0" not in self.rest:
            if not select.select([self.inn], [], [], seconds)[0]:
                raise TimeoutError("the browser does not answer")
            more = os.read(self.inn, 1 << 20)
            if not more:
                raise EOFError("the browser is gone")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\0")
        return json.loads(line)

    def open(self, address):
        self.ask("Page.navigate", url=address)
        self.wait(10, f"location.href == {json.dumps(address)} && "
                  "document.readyState == 'complete'")

    def run(self, script):
        """The value of an expression in the page."""
        answer = self.ask("Runtime.evaluate", expression=script,
                          returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, seconds, condition):
        """What others had of the machine is not counted."""
        end = time.monotonic() + seconds - stalled()
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end + stalled():
                raise TimeoutError(f"not within {seconds} s: {condition}")
            time.sleep(0.05)

    def put_file(self, selector, path):
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)
        self.ask("DOM.setFileInputFiles", files=[os.path.abspath(path)],
                 nodeId=node["nodeId"])

    def picture(self, path):
        data = self.ask("Page.captureScreenshot", format="png",
                        captureBeyondViewport=True)["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))
