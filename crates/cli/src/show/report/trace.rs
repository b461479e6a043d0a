//! What happened as a trace in the format of Chrome, which ui.perfetto.dev opens: a process for each run, in it lanes of
//! computing, fetching and saving, and counters.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use serde_json::{Value, json};

use super::sections::named_runs;
use crate::error::Result;
use crate::keep::recording::span::{Kind, Span};
use crate::keep::recording::{Recording, Run};

/// Lanes of a run begin here for each kind, so that none meet: no run has so many at once.
const LANES: u64 = 100_000;

/// The trace of a recording.
///
/// # Errors
/// None that is known; JSON says so.
pub(crate) fn json(recording: &Recording) -> Result<Vec<u8>> {
    let about = &recording.about;
    let mut events = Events(Vec::new());
    for (number, (name, run)) in named_runs(recording).enumerate() {
        let process = number as u64 + 1;
        events.push(&named("process_name", process, 0, &name))?;
        spans(&mut events, process, run)?;
        counters(&mut events, process, run)?;
        for mark in &run.marks {
            events.push(&instant(process, mark.at_s * 1e6, &mark.text))?;
        }
    }
    let about = json!({ "work": about.work, "command": about.command });
    let mut text =
        format!("{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":[\n")
            .into_bytes();
    text.extend(&events.0);
    text.extend(b"\n]}\n");
    Ok(text)
}

/// Events as text, one a line: as values a million of them would not fit into memory.
struct Events(Vec<u8>);

impl Events {
    fn push(&mut self, event: &Value) -> serde_json::Result<()> {
        if !self.0.is_empty() {
            self.0.extend(b",\n");
        }
        serde_json::to_writer(&mut self.0, event)
    }
}

fn named(what: &str, process: u64, lane: u64, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": process, "tid": lane, "args": { "name": name } })
}

fn instant(process: u64, at_us: f64, name: &str) -> Value {
    json!({ "ph": "i", "s": "p", "name": name, "pid": process, "tid": 0, "ts": at_us })
}

/// Lanes of one kind: how many there are, and when each that is free became free.
#[derive(Default)]
struct Lanes {
    count: u64,
    free: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Lanes {
    /// A lane for this span, and whether it is a new one. As few lanes as there are at once: threads, or slots.
    fn take(&mut self, span: &Span) -> (u64, bool) {
        let free = self.free.peek().filter(|free| free.0.0 <= span.at_us());
        let (lane, is_new) = match free.copied() {
            Some(Reverse((_, lane))) => {
                self.free.pop();
                (lane, false)
            }
            None => {
                self.count += 1;
                (self.count, true)
            }
        };
        self.free.push(Reverse((span.end_us(), lane)));
        (lane, is_new)
    }
}

fn spans(events: &mut Events, process: u64, run: &Run) -> Result<()> {
    let mut spans: Vec<&Span> = run.spans.iter().collect();
    spans.sort_by_key(|span| (span.at_us(), span.index));
    let mut lanes: [Lanes; 3] = Default::default();
    let texts = run
        .texts
        .iter()
        .map(|(index, text)| (*index, text.as_str()));
    let texts: HashMap<u64, &str> = texts.collect();
    for span in spans {
        let (place, what) = match span.kind() {
            Kind::Dead => {
                let name = format!("item {} is dead", span.index);
                events.push(&instant(process, span.at_us() as f64, &name))?;
                continue;
            }
            Kind::Compute => (0, "compute"),
            Kind::Fetch | Kind::FetchFailed | Kind::FetchRefused => (1, "fetch"),
            Kind::Save | Kind::SaveFailed | Kind::SaveRefused => (2, "save"),
        };
        let (lane, is_new) = lanes[place].take(span);
        let thread = LANES * place as u64 + lane;
        if is_new {
            let name = format!("{what} {lane}");
            events.push(&named("thread_name", process, thread, &name))?;
        }
        let mut args = json!({ "item": span.index });
        if let Some(text) = texts.get(&span.index) {
            args["text"] = json!(text);
        }
        events.push(&json!({
            "ph": "X", "name": span.kind().name(), "cat": what, "pid": process, "tid": thread,
            "ts": span.at_us(), "dur": span.took_us(), "args": args,
        }))?;
    }
    Ok(())
}

fn counters(events: &mut Events, process: u64, run: &Run) -> Result<()> {
    let curves = &run.curves;
    let each = [
        ("in flight", &curves.in_flight),
        ("saved a second", &curves.goodput),
        ("cores that compute", &curves.computing),
        ("waiting to be saved", &curves.ready),
    ];
    for (name, values) in each {
        for (tick, value) in values.iter().enumerate() {
            events.push(&json!({
                "ph": "C", "name": name, "pid": process, "tid": 0,
                "ts": tick as f64 * curves.tick_s * 1e6, "args": { name: value },
            }))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::recording::tests::recording;

    #[test]
    fn lanes_hold_what_does_not_overlap() {
        let trace: Value = serde_json::from_slice(&json(&recording()).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let spans: Vec<_> = events
            .iter()
            .filter(|event| event["ph"] == "X" && event["pid"] == 1)
            .map(|event| {
                let number = |key: &str| event[key].as_u64().unwrap();
                (number("tid"), number("ts"), number("ts") + number("dur"))
            })
            .collect();
        assert_eq!(spans.len(), 6);
        for (place, a) in spans.iter().enumerate() {
            for b in &spans[place + 1..] {
                assert!(a.0 != b.0 || a.2 <= b.1 || b.2 <= a.1, "{a:?} {b:?}");
            }
        }
        let names = |name: &str| events.iter().filter(|event| event["name"] == name).count();
        assert_eq!((names("process_name"), names("item 2 is dead")), (2, 2));
    }
}
