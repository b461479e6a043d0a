//! A headless Chromium, spoken to over a pipe: the least machinery that drives a page as a person would.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// The longest wait for an answer: far more than any takes, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where pictures of pages are left for people to look at.
const SCREENSHOTS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/screenshots");

/// A page in a browser of its own; closed when it is dropped.
pub(crate) struct Page {
    browser: Child,
    to: ChildStdin,
    messages: Receiver<Value>,
    calls: u64,
    session: Option<String>,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Page {
    /// Opens a report, and waits until its timeline is drawn.
    pub(crate) fn open(file: &Path) -> Page {
        let mut page = Page::blank();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page.size(1200, 900);
        page.call(
            "Page.navigate",
            json!({ "url": format!("file://{}", file.display()) }),
        );
        page.wait_for("Page.loadEventFired");
        page.eval(
            "new Promise((done) => {
               const look = () => window.inflight ? done() : requestAnimationFrame(look);
               look();
             })",
        );
        page.settle();
        page
    }

    fn blank() -> Page {
        let profile = tempfile::tempdir().unwrap();
        // It reads commands from descriptor 3 and answers on 4.
        let mut browser = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .args(["sh", "chromium", "--headless", "--remote-debugging-pipe"])
            .args(["--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let from = BufReader::new(browser.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in from.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut page = Page {
            to: browser.stdin.take().unwrap(),
            browser,
            messages,
            calls: 0,
            session: None,
            events: Vec::new(),
            _profile: profile,
        };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = page.call(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        page
    }

    /// How large the window is.
    pub(crate) fn size(&mut self, width: u32, height: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 }),
        );
    }

    /// Light or dark, as the system would ask for.
    pub(crate) fn colours(&mut self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        );
        self.settle();
    }

    /// What an expression comes to; a promise is awaited.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true }),
        );
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until all that was asked for is drawn.
    pub(crate) fn settle(&mut self) {
        self.eval(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))",
        );
    }

    /// Does something with the mouse at a point of the window.
    pub(crate) fn mouse(&mut self, what: &str, (x, y): (f64, f64), wheel: f64) {
        let button = match what {
            "mousePressed" | "mouseReleased" => "left",
            _ => "none",
        };
        self.call(
            "Input.dispatchMouseEvent",
            json!({ "type": what, "x": x, "y": y, "button": button, "clickCount": 1, "deltaX": 0, "deltaY": wheel }),
        );
        self.settle();
    }

    /// A picture of the window, kept as a file of this name.
    pub(crate) fn screenshot(&mut self, name: &str) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        keep(name, &answer)
    }

    /// The page as it would be printed.
    pub(crate) fn print(&mut self, name: &str) -> Vec<u8> {
        let answer = self.call("Page.printToPDF", json!({ "printBackground": true }));
        keep(name, &answer)
    }

    /// What was loaded, but for what is in the page itself.
    pub(crate) fn loaded(&self) -> Vec<&str> {
        let requests = self.events("Network.requestWillBeSent");
        requests
            .filter_map(|event| event["params"]["request"]["url"].as_str())
            .filter(|url| !url.starts_with("data:") && !url.starts_with("blob:"))
            .collect()
    }

    /// What the page or the browser complained about.
    pub(crate) fn complaints(&self) -> Vec<&Value> {
        let thrown = self.events("Runtime.exceptionThrown");
        let logged = self.events("Log.entryAdded");
        let called = self.events("Runtime.consoleAPICalled");
        thrown.chain(logged).chain(called).collect()
    }

    fn events<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        let events = self.events.iter();
        events.filter(move |event| event["method"] == method)
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let sent = self.to.write_all(format!("{call}\0").as_bytes());
        sent.expect("Chromium runs; `cargo xtask test` installs it");
        loop {
            let message = self.next(method);
            if message["id"] == self.calls {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|seen| seen["method"] == event) {
            self.next(event);
        }
    }

    /// The next message; an event is kept too.
    fn next(&mut self, awaited: &str) -> Value {
        let message = self.messages.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("no {awaited} from Chromium; `cargo xtask test` installs it")
        });
        if message.get("method").is_some() {
            self.events.push(message.clone());
        }
        message
    }
}

fn keep(name: &str, answer: &Value) -> Vec<u8> {
    let bytes = BASE64_STANDARD
        .decode(answer["data"].as_str().unwrap())
        .unwrap();
    fs::create_dir_all(SCREENSHOTS).unwrap();
    fs::write(PathBuf::from(SCREENSHOTS).join(name), &bytes).unwrap();
    bytes
}

impl Drop for Page {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
