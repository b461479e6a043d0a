//! Jobs written down: the file that `init` writes, what wins over what, and the examples.

use std::fs;
use std::path::Path;
use std::process::Command;

use inflight_testbed::Postgres;

use crate::support::{get, inflight, lab};

/// What a command came to in this folder and environment: its code, standard output and standard error.
fn inflight_in(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_inflight"))
        .args(words)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A copy of an example, to run it in.
fn example(name: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/jobs")
        .join(name);
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

#[test]
fn a_new_job_file_works_as_it_is_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = inflight_in(folder.path(), &["init"], &[]);
    assert_eq!(
        (code, stderr.as_str()),
        (0, "wrote job.toml; try: inflight run job.toml\n")
    );
    let (code, _, stderr) = inflight_in(folder.path(), &["run", "job.toml"], &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("saved=600 dead=0"), "{stderr}");
    let before = fs::read(folder.path().join("job.toml")).unwrap();
    let (code, _, stderr) = inflight_in(folder.path(), &["init"], &[]);
    assert!(
        code == 2 && stderr.contains("cannot write job.toml"),
        "{stderr}"
    );
    assert_eq!(fs::read(folder.path().join("job.toml")).unwrap(), before);
    let (code, stdout, _) = inflight_in(folder.path(), &["init", "-"], &[]);
    assert_eq!((code, stdout.into_bytes()), (0, before));
}

#[test]
fn a_job_file_is_compared_too() {
    let folder = tempfile::tempdir().unwrap();
    let job = "input = '0..20'\nsave = 'lab:?latency=1ms'\nstrategies = ['async', 'parallel']\nstrategy = 'async'\n";
    fs::write(folder.path().join("job.toml"), job).unwrap();
    let (code, stdout, stderr) =
        inflight_in(folder.path(), &["compare", "job.toml", "--json", "-"], &[]);
    assert_eq!(code, 0, "{stderr}");
    let compared: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(compared["runs"].as_array().unwrap().len(), 2);
    assert_eq!(compared["workload"]["items"], 20);
}

#[test]
fn mistakes_in_a_job_file_name_file_and_key_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |job: &str, part: &str| {
        fs::write(folder.path().join("job.toml"), job).unwrap();
        let (code, stdout, stderr) = inflight_in(folder.path(), &["run", "job.toml"], &[]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(
            stderr.starts_with("error: job.toml: ") && stderr.contains(part),
            "{stderr}"
        );
    };
    refused(
        "inflight = 3",
        "unknown key `inflight`; did you mean `in-flight`?",
    );
    refused(
        "input = '0..1'\nsave = 'null:'\njobs = 'x'",
        "key `jobs`: invalid value `x`",
    );
    refused(
        "input = '${NOT_THERE}'\nsave = 'null:'",
        "key `input`: the environment has no NOT_THERE",
    );
    refused("input = ", "line 1");
}

#[test]
fn secrets_that_a_job_file_takes_from_the_environment_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let job = "input = '0..1'\nsave = 'http://127.0.0.1:1/?token=${CANARY}'\nheader = ['Authorization: Bearer ${CANARY}']\n\
               retries = 0\n";
    fs::write(folder.path().join("job.toml"), job).unwrap();
    let variables = [("CANARY", "canary-4711")];
    let (code, stdout, stderr) = inflight_in(folder.path(), &["run", "job.toml", "-v"], &variables);
    assert_ne!(code, 0);
    assert!(
        !stdout.contains("4711") && !stderr.contains("4711"),
        "{stderr}"
    );
}

#[test]
fn the_example_that_enriches_saves_values_and_one_dead_letter() {
    let folder = example("enrich");
    let (code, _, stderr) = inflight_in(folder.path(), &["run", "job.toml"], &[]);
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("dead: item 3, compute: ValueError: no address: without an address"),
        "{stderr}"
    );
    let saved = fs::read_to_string(folder.path().join("enriched.jsonl")).unwrap();
    let rows = saved
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| row["index"].as_u64());
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[1]["result"]["domain"], "navy.example");
    assert_eq!(rows[4]["result"]["initials"], "ED");
}

#[test]
fn dead_letters_of_a_job_file_are_tried_again_from_anywhere() {
    let folder = example("enrich");
    let run = ["run", "job.toml", "--journal", "journal"];
    let (code, _, stderr) = inflight_in(folder.path(), &run, &[]);
    assert_eq!(code, 3, "{stderr}");
    // The worker learns what to do about the one that it refused.
    let worker = folder.path().join("enrich.py");
    let script = fs::read_to_string(&worker).unwrap();
    let script = script.replace("raise ValueError", "domain = str");
    fs::write(&worker, script).unwrap();
    let journal = folder.path().join("journal").display().to_string();
    let elsewhere = tempfile::tempdir().unwrap();
    let retry = ["dead-letters", "retry", "--trust", &journal];
    let (code, _, stderr) = inflight_in(elsewhere.path(), &retry, &[]);
    assert_eq!(code, 0, "{stderr}");
    let saved = fs::read_to_string(folder.path().join("enriched.jsonl")).unwrap();
    assert_eq!(saved.lines().count(), 6, "{saved}");
    assert!(saved.contains("no address: without an address"), "{saved}");
}

#[test]
fn the_example_that_calls_an_api_keeps_what_it_answered() {
    let folder = example("api");
    let (_lab, address) = lab("--latency 5ms");
    let api = format!("http://{address}");
    let (code, _, stderr) = inflight_in(folder.path(), &["run", "job.toml"], &[("API", &api)]);
    assert_eq!(code, 0, "{stderr}");
    let kept = fs::read_to_string(folder.path().join("responses.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 30);
    assert!(
        kept.lines().all(|line| line.contains(r#""status":200"#)),
        "{kept}"
    );
    let results = get(&address, "/results");
    assert!(
        results.contains("1001") && results.contains("1030"),
        "{results}"
    );
}

#[test]
fn the_example_that_asks_a_language_model_writes_csv() {
    let folder = example("llm");
    let (_lab, address) = lab("--openai --rate 6000/m --tokens-rate 2000000/m --latency 20ms");
    let api = format!("http://{address}");
    let (code, _, stderr) = inflight_in(folder.path(), &["run", "job.toml"], &[("API", &api)]);
    assert_eq!(code, 0, "{stderr}");
    let mut table = csv::Reader::from_path(folder.path().join("summaries.csv")).unwrap();
    assert_eq!(
        table.headers().unwrap(),
        ["id", "summary", "tokens"].as_slice()
    );
    let mut rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    rows.sort_by(|one, other| one[0].cmp(&other[0]));
    let ids: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5", "6"]);
    // Byte for byte what the service said.
    let said = get(&address, "/results");
    // Between the lines stand the lengths of the parts in which they come.
    let lines = said.lines().filter(|line| line.starts_with('"'));
    let said = lines.map(|line| {
        let answer: String = serde_json::from_str(line).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let text = &answer["choices"][0]["message"]["content"];
        (
            text.as_str().unwrap().to_owned(),
            answer["usage"]["total_tokens"].to_string(),
        )
    });
    let said: Vec<(String, String)> = said.collect();
    for row in &rows {
        let pair = (row[1].to_owned(), row[2].to_owned());
        assert!(said.contains(&pair), "{pair:?}");
    }
}

#[test]
fn the_example_that_updates_puts_each_row_to_its_address() {
    let folder = example("update");
    let (_lab, address) = lab("--rest");
    let api = format!("http://{address}");
    let (code, _, stderr) = inflight_in(folder.path(), &["run", "job.toml"], &[("API", &api)]);
    assert_eq!(code, 0, "{stderr}");
    let things = get(&address, "/things");
    let things: Vec<serde_json::Value> = things
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        serde_json::json!({"id": "1001", "name": "Kim, Ha-eun", "age": "31", "address": {"city": "Seoul"}}),
        serde_json::json!({"id": "1002", "name": "Lee \"Max\" Min-jun", "age": "45", "address": {"city": "Busan"}}),
        serde_json::json!({"id": "1003", "name": "Park Ji-woo", "age": "28", "address": {"city": "Daegu"}}),
        serde_json::json!({"id": "a/7", "name": "Choi Seo-yeon", "age": "39", "address": {"city": "Jeju"}}),
    ];
    assert_eq!(things, expected);
}

#[test]
fn the_example_that_enriches_by_an_api_fills_two_columns() {
    let folder = example("enrich-api");
    let (_lab, address) = lab("--latency 5ms");
    let api = format!("http://{address}");
    let (code, _, stderr) = inflight_in(folder.path(), &["run", "job.toml"], &[("API", &api)]);
    assert_eq!(code, 0, "{stderr}");
    let database = rusqlite::Connection::open(folder.path().join("items.db")).unwrap();
    let query =
        "SELECT count(*), count(DISTINCT hash), min(sku) FROM items WHERE length(hash) = 16";
    let counted = database.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    assert_eq!(counted.unwrap(), (12, 12, "sku-1".to_owned()));
}

#[test]
fn the_example_that_hashes_passwords_fills_a_table() {
    let folder = example("passwords");
    let server = Postgres::shared();
    let database = server.database();
    let variables = [("DATABASE", server.url(&database))];
    let variables = variables
        .each_ref()
        .map(|(name, url)| (*name, url.as_str()));
    for _ in 0..2 {
        let (code, _, stderr) = inflight_in(folder.path(), &["run", "job.toml"], &variables);
        assert_eq!(code, 0, "{stderr}");
    }
    let hashes =
        "SELECT count(*), count(DISTINCT result) FROM password_hashes WHERE result LIKE '$2b$10$%'";
    assert_eq!(server.query(&database, hashes), "20|20");
}

#[test]
fn a_toml_file_is_input_for_whoever_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lines.toml"), "one\ntwo\n").unwrap();
    let words = ["run", "lines.toml", "--format", "text", "--save", "null:"];
    let (code, _, stderr) = inflight_in(folder.path(), &words, &[]);
    assert!(code == 0 && stderr.contains("saved=2 "), "{stderr}");
    let outcome = inflight("run no-such.toml").expect(2);
    assert!(
        outcome.stderr.contains("no-such.toml: cannot be read"),
        "{}",
        outcome.stderr
    );
}
