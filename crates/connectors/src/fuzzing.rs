//! What a fuzzer tries with what comes from outside. Nobody else sees this: it is built for `cargo fuzz` and for tests, which play the
//! seeds of `fuzz/seeds`.

pub use crate::csv::fuzzing::csv;
#[cfg(feature = "exec")]
pub use crate::exec::fuzzing::worker_answer;
#[cfg(feature = "http")]
pub use crate::http::fuzzing::{http_answer, template};

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn play(name: &str, target: fn(&[u8])) {
        let folder = format!("{}/../../fuzz/seeds/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut played = 0;
        for seed in fs::read_dir(&folder).unwrap() {
            target(&fs::read(seed.unwrap().path()).unwrap());
            played += 1;
        }
        assert!(played > 0, "{folder}");
    }

    #[test]
    fn every_seed_holds() {
        play("csv", csv);
        #[cfg(feature = "http")]
        play("http_answer", http_answer);
        #[cfg(feature = "http")]
        play("template", template);
        #[cfg(feature = "exec")]
        play("worker_answer", worker_answer);
    }
}
