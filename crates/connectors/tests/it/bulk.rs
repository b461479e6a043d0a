//! Many records in one HTTP request: how they are put together, which of them an answer is about, and what a refusal costs.

use inflight::{Connection, Fault, Job, Options, Record, Reply, Service, Verdict};
use inflight_connectors::{AnswerChecks, BodySource, Payload, Row, Sink, SinkSettings};

use crate::server::{Asked, Server, answer};
use crate::{connect, record, save, wait};

/// A sink with bodies of many records.
fn sink(server: &Server, body: &str, each: Option<&str>, fail_if: Option<&str>) -> Sink {
    let retry_if = each.map(|_| ".status == 429");
    let checks = AnswerChecks::compile(fail_if, retry_if, None).unwrap();
    let settings = SinkSettings {
        body: Some(BodySource::read(body).unwrap()),
        checks: checks.with_each(each).unwrap(),
        ..SinkSettings::default()
    };
    Sink::parse(&server.url("/batch"), &settings).unwrap()
}

fn rows(count: u64) -> Vec<Record<Payload>> {
    let row = |n| Row::json(format!("{{\"id\":{n}}}")).unwrap();
    (0..count)
        .map(|n| Record::new(n, Payload::of_row(n.into(), row(n))))
        .collect()
}

/// The ids in a body that is an array.
fn ids(asked: &Asked) -> Vec<u64> {
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    let each = body.as_array().unwrap().iter();
    each.map(|one| one["id"].as_u64().unwrap()).collect()
}

#[test]
fn records_are_one_request_and_all_are_saved_by_its_answer() {
    let server = Server::canned(&answer("200 OK", "", "fine"));
    for (body, content_type, expected) in [
        ("array", "application/json", "[{\"id\":0},{\"id\":1}]"),
        ("ndjson", "application/x-ndjson", "{\"id\":0}\n{\"id\":1}\n"),
    ] {
        let sink = sink(&server, body, None, None);
        assert!(sink.bulk_max() > 1000);
        let outcomes = wait(async { save(&mut connect(&sink).await, &rows(2)).await.unwrap() });
        assert!(outcomes.iter().all(Result::is_ok));
        let asked = server.asked().pop().unwrap();
        assert_eq!(String::from_utf8(asked.body.clone()).unwrap(), expected);
        assert_eq!(asked.header("content-type"), Some(content_type));
        assert!(asked.header("idempotency-key").is_some());
    }
}

#[test]
fn a_record_that_has_no_form_is_refused_by_itself() {
    let server = Server::canned(&answer("200 OK", "", "fine"));
    let sink = sink(&server, r#"array:{"id":"{id}"}"#, None, None);
    let mut bulk = rows(2);
    bulk.insert(1, record(9, "without fields"));
    let outcomes = wait(async { save(&mut connect(&sink).await, &bulk).await.unwrap() });
    let is_saved: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(is_saved, [true, false, true]);
    assert_eq!(ids(&server.asked()[0]), [0, 1]);
    let outcomes = wait(async { save(&mut connect(&sink).await, &bulk[1..2]).await.unwrap() });
    assert!(outcomes[0].is_err());
    assert_eq!(server.asked().len(), 1, "nothing was left to be sent");
}

#[test]
fn each_record_has_its_part_of_the_answer() {
    let parts =
        r#"{"items":[{"status":201},{"status":400,"error":"no"},{"status":429,"error":"later"}]}"#;
    let server = Server::canned(&answer("207 Multi-Status", "", parts));
    let sink = sink(&server, "array", Some(".items[]"), Some(".error"));
    let send = |count| wait(async { connect(&sink).await.send(&rows(count)).await });
    let Ok(Reply::Each(outcomes)) = send(3) else {
        panic!("each has an outcome")
    };
    let verdicts: Vec<Option<Verdict>> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().err().map(Fault::verdict))
        .collect();
    assert_eq!(
        verdicts,
        [None, Some(Verdict::Permanent), Some(Verdict::Transient)]
    );
    let fault = outcomes[1].as_ref().unwrap_err().to_string();
    assert!(
        fault.contains("--fail-if '.error' holds") && fault.contains("\"no\""),
        "{fault}"
    );
    // Nobody knows which record is meant.
    let fault = send(2).err().unwrap();
    assert_eq!(fault.verdict(), Verdict::InDoubt);
    assert!(
        fault
            .to_string()
            .contains("has 3 parts by --each '.items[]', and 2 records"),
        "{fault}"
    );
}

#[test]
fn one_bad_record_of_many_costs_few_requests_and_dies_alone() {
    let server = Server::start(|asked| {
        let status = if ids(asked).contains(&777) {
            "422 Unprocessable Entity"
        } else {
            "200 OK"
        };
        answer(status, "", "").into_bytes()
    });
    let sink = sink(&server, r#"array:{"id":"{result}"}"#, None, None);
    let options = Options {
        bulk: Some(1000),
        in_flight: inflight::InFlightLimit::Fixed(1),
        ..Options::default()
    };
    let job = Job::new(0..4000_u64).compute(|n: u64| Payload::read("").becomes_json(n.to_string()));
    let summary = job.save_to(sink).run(&options).unwrap();
    assert_eq!((summary.saved, summary.dead), (3999, 1));
    let asked = server.asked().len();
    // Twice for each halving of a thousand.
    assert!(asked <= 4 + 2 * 10 + 4, "{asked} requests");
}

#[test]
fn what_is_too_large_is_halved_for_good() {
    let server = Server::start(|asked| {
        let status = if asked.body.len() > 4000 {
            "413 Payload Too Large"
        } else {
            "200 OK"
        };
        answer(status, "", "").into_bytes()
    });
    let sink = sink(&server, "ndjson", None, None);
    let options = Options {
        bulk: Some(1000),
        in_flight: inflight::InFlightLimit::Fixed(1),
        ..Options::default()
    };
    let job = Job::new(0..10_000_u64).compute(|n: u64| Payload::read(format!("{n:0>18}")));
    let summary = job.save_to(sink).run(&options).unwrap();
    assert_eq!((summary.saved, summary.dead), (10_000, 0));
    let refused = server
        .asked()
        .iter()
        .filter(|asked| asked.body.len() > 4000)
        .count();
    assert!(refused <= 8, "{refused} were refused");
}
