//! Dead letters tried again after the job was changed: what changed is named, and the change is made only when it is accepted.

use std::fs;

use crate::support::{get, inflight_in, lab};

#[test]
fn an_edited_template_is_tried_with_the_dead_letters_alone() {
    let (_lab, address) = lab("--rest");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("in.csv"), "id,note\n1,\"{\"\"a\"\":1}\"\n2,x\n3,y\n").unwrap();
    // The service takes only objects, and the first note is one.
    fs::write(at("body.txt"), "{note}").unwrap();
    let state = folder.path().join("state");
    let run = format!(
        "run {} --save 'PUT http://{address}/things/{{id}}' --save-body @{} --journal {}",
        at("in.csv"),
        at("body.txt"),
        at("journal")
    );
    let outcome = inflight_in(&state, &run, "").expect(3);
    assert_eq!(outcome.counts(), "saved=1 dead=2 in_doubt=0 left=0");
    fs::write(at("body.txt"), "{\"note\": \"{note}\"}").unwrap();
    let before = get(&address, "/stats");
    let retry = format!("dead-letters retry --trust {}", at("journal"));
    let refused = inflight_in(&state, &retry, "").expect(6);
    for part in [
        "the job has changed since its last run: save-body was @",
        "; nothing was sent; undo that, or add --accept-change to try 2 dead letters with the change",
    ] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert_eq!(get(&address, "/stats"), before);
    let accepted = inflight_in(&state, &format!("{retry} --accept-change"), "").expect(0);
    assert!(
        accepted.stderr.contains("accepted: save-body was @"),
        "{}",
        accepted.stderr
    );
    assert_eq!(accepted.counts(), "saved=3 dead=0 in_doubt=0 left=0");
    let things = get(&address, "/things");
    assert_eq!(
        things.lines().collect::<Vec<_>>(),
        [
            "{\"a\":1,\"id\":\"1\"}",
            "{\"id\":\"2\",\"note\":\"x\"}",
            "{\"id\":\"3\",\"note\":\"y\"}"
        ]
    );
    // From then on it is the job.
    let again = inflight_in(&state, &run, "").expect(0);
    assert_eq!(again.counts(), "saved=3 dead=0 in_doubt=0 left=0");
}
