//! `inflight lab`: serves, answers /stats, and ends by Ctrl-C with code 0.

use crate::support::{get, inflight, lab};

#[test]
fn it_serves_until_ctrl_c() {
    let (lab, address) = lab("--latency 1ms --capacity 10");
    let stats: serde_json::Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
    for field in [
        "received",
        "saved",
        "distinct",
        "rejected",
        "in_flight_max",
        "service_ms",
    ] {
        assert!(stats.get(field).is_some(), "{field} is not in {stats}");
    }
    get(&address, "/items/7");
    lab.signal("INT");
    let outcome = lab.end().expect(0);
    assert_eq!(
        outcome.last_line(),
        "received=1 saved=0 distinct=0 rejected=0 in_flight_max=1"
    );
}

#[test]
fn a_scenario_is_played_in_virtual_time() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../lab/scenarios/quota-of-a-quick-service.toml"
    );
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("picture.svg");
    let line = format!(
        "lab simulate {file} --seed 3 --json - --svg {}",
        svg.display()
    );
    let outcome = inflight(&line).expect(0);
    let seen: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let names = "version name seed elapsed_s bound_s attainment throughput optimum knee throughput_ratio \
        in_flight_over_knee peak_over_knee rejected_ratio converge_s jain limit_final";
    for name in names.split_whitespace() {
        assert!(seen.get(name).is_some(), "{name} is not in {seen}");
    }
    assert_eq!(inflight(&line).expect(0).stdout, outcome.stdout);
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
    let nowhere = inflight(&format!("lab simulate {file} --svg /no/such/folder/a.svg")).expect(2);
    assert_eq!(nowhere.stdout, "", "nothing was played");
    let drawn = inflight(&format!("lab simulate {file} --svg -")).expect(0);
    assert!(drawn.stdout.starts_with("<svg"), "{}", drawn.stdout);
    let missing = inflight("lab simulate no/such.toml").expect(2);
    assert!(
        missing.stderr.contains("no/such.toml"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_scenario_that_would_never_end_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("never.toml");
    let text = "name = \"never\"\nitems = 100\n[service]\nlatency = \"10ms\"\nfail = \"100%\"\n";
    std::fs::write(&file, text).unwrap();
    let line = format!("lab simulate {} --json -", file.display());
    let outcome = inflight(&line).expect(2);
    assert!(
        outcome.stderr.contains("given up after"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.stdout, "");
}
