//! The job of most first users: rows of a CSV file, a question to a language model about each, and a CSV file of the answers.
//!
//! It is killed on its way, and read by Python at its end. `INFLIGHT_ROWS=2000 cargo test -p inflight-cli llm` does more of it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::support::{get, inflight, lab};

const ROWS: usize = 300;
const KILLS: usize = 3;

/// Texts as people write them.
const TEXTS: [&str; 6] = [
    "Quick, quiet and cheap.",
    "The box said \"new\"; the scratches said otherwise.",
    "Works.\nThen it doesn't.\r\nThen it works again.",
    "숫자 키패드가 특히 좋습니다",
    "  blanks around, and a {brace} and a \\ inside  ",
    "\"",
];

const PROMPT: &str =
    r#"{"model": "any", "messages": [{"role": "user", "content": "{id}: {text}"}]}"#;

/// Reads both files by Python's own module, and says of each row its number, text and tokens as JSON.
const READ: &str = "
import csv, json, sys
read = lambda name: list(csv.DictReader(open(name, encoding='utf-8', newline='')))
json.dump([read(name) for name in sys.argv[1:]], sys.stdout)
";

#[test]
fn each_row_of_a_csv_file_gets_its_answer_in_order_whatever_happens_on_the_way() {
    let rows = std::env::var("INFLIGHT_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut reviews = csv::Writer::from_path(folder.join("reviews.csv")).unwrap();
    reviews.write_record(["id", "text"]).unwrap();
    for row in 0..rows {
        let text = TEXTS[row % TEXTS.len()];
        reviews.write_record([&row.to_string(), text]).unwrap();
    }
    reviews.flush().unwrap();
    fs::write(folder.join("prompt.json"), PROMPT).unwrap();
    fs::write(folder.join("token"), "some-token\n").unwrap();
    let (_lab, address) = lab(
        "--openai --latency lognormal:400ms,0.8 --rate 6000/m --tokens-rate 600000/m --fail 2% --error-in-200 0.5%",
    );
    for kill in 0..KILLS {
        let mut child = job(folder, &address).spawn().unwrap();
        sleep(Duration::from_millis(700 + 300 * kill as u64));
        // It may be done already.
        let _ = child.kill();
        child.wait().unwrap();
    }
    let output = job(folder, &address).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let [asked, answered] = tables(folder);
    let column = |table: &[Value], name: &str| -> Vec<String> {
        table.iter().map(|row| text(&row[name])).collect()
    };
    assert_eq!(column(&answered, "id"), column(&asked, "id"), "{stderr}");
    // Byte for byte what the service said.
    let said = said(&address);
    for row in &answered {
        let (summary, tokens, times) = &said[&text(&row["answer"])];
        assert_eq!(
            (&text(&row["summary"]), &text(&row["tokens"])),
            (summary, tokens)
        );
        // Once, and once more for each kill that met it in flight.
        assert!(*times <= 1 + KILLS, "asked {times} times: {row}");
    }
    let answers: usize = said.values().map(|(_, _, times)| times).sum();
    // A kill loses what was in flight or waited for its turn; none of what was in the file.
    assert!(answers < rows * 2, "{answers} answers for {rows} rows");
    // The same command once more asks for all of it again, or says that all is done; never does it spoil the file.
    let before = fs::read(folder.join("summaries.csv")).unwrap();
    let output = job(folder, &address).arg("--once").output().unwrap();
    assert_eq!(output.status.code(), Some(10));
    assert_eq!(fs::read(folder.join("summaries.csv")).unwrap(), before);
}

fn job(folder: &Path, address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inflight"));
    command
        .args(["run", "reviews.csv", "--keep-order", "--quiet"])
        .args([
            "--fetch",
            &format!("POST http://{address}/v1/chat/completions"),
        ])
        .args(["--fetch-header", "Authorization: Bearer file:token"])
        .args(["--fetch-body", "@prompt.json"])
        .args(["--fetch-quota", "6000 requests/min"])
        .args(["--fetch-quota", "600000 tokens/min"])
        .args(["--retry-if", ".error", "--save", "file:summaries.csv"])
        .arg("--columns")
        .arg("id,summary=.choices[0].message.content,tokens=.usage.total_tokens,answer=.id")
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// The rows of input and output, as Python reads them.
fn tables(folder: &Path) -> [Vec<Value>; 2] {
    let output = Command::new("python3")
        .args(["-c", READ, "reviews.csv", "summaries.csv"])
        .current_dir(folder)
        .output()
        .expect("Python is there: apt-get install python3");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the service answered: by the answer's own name its text, its tokens, and how often.
fn said(address: &str) -> HashMap<String, (String, String, usize)> {
    let mut said = HashMap::new();
    // Between the lines stand the lengths of the parts in which they come.
    for line in get(address, "/results")
        .lines()
        .filter(|line| line.starts_with('"'))
    {
        let answer: String = serde_json::from_str(line).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let summary = text(&answer["choices"][0]["message"]["content"]);
        let tokens = answer["usage"]["total_tokens"].to_string();
        let entry = said
            .entry(text(&answer["id"]))
            .or_insert((summary, tokens, 0));
        entry.2 += 1;
    }
    said
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[test]
fn a_quota_that_the_service_tells_is_kept_from_the_first_request() {
    for dialect in ["openai", "anthropic", "ietf"] {
        let (_lab, address) = lab(&format!(
            "--openai --latency 50ms --rate '20/s,burst 40' --quota-headers {dialect}"
        ));
        let outcome = inflight(&format!(
            "run 0..120 --fetch 'POST http://{address}/v1/chat/completions' \
             --fetch-body '{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{{}}\"}}]}}' \
             --save null: --no-profile --no-journal"
        ))
        .expect(0);
        assert!(outcome.counts().contains("saved=120"), "{}", outcome.stderr);
        let stats = get(&address, "/stats");
        assert!(stats.contains("\"received\":120"), "{dialect}: {stats}");
    }
}
