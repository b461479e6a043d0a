//! Many records in one HTTP request, with the real binary and a lab that takes documents as search engines do: bad documents die
//! alone, and cost no more requests than good ones.

use std::fmt::Write as _;
use std::fs;

use crate::support::{get, inflight, lab};

/// Documents, of which one in a hundred has a text where the others have a number.
fn documents(count: u32) -> String {
    (0..count).fold(String::new(), |mut lines, n| {
        let value = match n % 100 {
            57 => "\"none\"".to_owned(),
            _ => n.to_string(),
        };
        writeln!(lines, "{{\"id\":\"d{n}\",\"value\":{value}}}").unwrap();
        lines
    })
}

/// How many requests a lab has got.
fn received(address: &str) -> f64 {
    let stats: serde_json::Value = serde_json::from_str(&get(address, "/stats")).unwrap();
    stats["received"].as_f64().unwrap()
}

#[test]
fn bad_documents_of_a_bulk_die_alone_and_cost_no_requests() {
    const COUNT: u32 = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("docs.jsonl"), documents(COUNT)).unwrap();
    let (_lab, address) = lab("--bulk");
    let line = format!(
        "run {} --save http://{address}/items/_bulk --save-body ndjson --lines-before jq:{{index:{{_id:$row.id}}}} \
         --bulk 500 -c 4 --each '.items[].index' --fail-if '.error' --retry-if '.status == 429' --journal {} \
         --responses {}",
        at("docs.jsonl"),
        at("j"),
        at("answers.jsonl")
    );
    let outcome = inflight(&line).expect(3);
    let (bad, good) = (COUNT / 100, COUNT - COUNT / 100);
    assert_eq!(
        outcome.counts(),
        format!("saved={good} dead={bad} in_doubt=0 left=0")
    );
    // How full the first requests are is for the reader to say.
    let clean = f64::from(COUNT) / 500.0;
    let asked = received(&address);
    assert!(asked <= 1.2 * clean + 5.0, "{asked} requests");
    let dead = inflight(&format!("dead-letters list {} --json", at("j"))).expect(0);
    assert!(
        dead.stdout.contains("--fail-if '.error' holds"),
        "{}",
        dead.stdout
    );
    let things = get(&address, "/things");
    assert!(!things.contains("none"), "no bad document was kept");
    assert_eq!(
        fs::read_to_string(at("answers.jsonl"))
            .unwrap()
            .lines()
            .count(),
        good as usize
    );
}

#[test]
fn what_does_not_go_with_many_records_is_refused() {
    let refused = |flags: &str, part: &str| {
        let outcome = inflight(&format!("run 0..1 --save http://127.0.0.1:1/ {flags}")).expect(2);
        assert!(outcome.stderr.contains(part), "{flags}: {}", outcome.stderr);
    };
    refused("--bulk 5", "unless --save-body is array or ndjson");
    refused("--each .items[]", "add --save-body array or ndjson");
    refused(
        "--save-body json --lines-before {}",
        "add --save-body array or ndjson",
    );
    refused(
        "--save-body array --lines-before {}",
        "write --save-body ndjson",
    );
    refused("--save-body ndjson --each '.items['", "--each: ");
    refused(
        "--save-body array --responses r",
        "--each says which part is whose",
    );
    refused("--save-body array:raw", "holds JSON");
    refused(
        "--fetch http://127.0.0.1:1/ --fetch-body array",
        "a fetch asks for one item",
    );
    let outcome =
        inflight("run 0..1 --save 'PUT http://127.0.0.1:1/{}' --save-body array").expect(2);
    assert!(
        outcome.stderr.contains("one request holds many items"),
        "{}",
        outcome.stderr
    );
    let outcome = inflight("run 0..1 --save null: --each .a").expect(2);
    assert!(
        outcome.stderr.contains("HTTP requests with many records"),
        "{}",
        outcome.stderr
    );
}
