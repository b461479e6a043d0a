//! What is computed on each item: nothing, bcrypt, SHA-256, or work that only takes time.

use std::fmt;
use std::time::{Duration, Instant};

use inflight::{ComputeClock, Fault};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::nearest::unknown;
use crate::payload::Payload;

/// `jq:` and `exec:` are no tasks of ours, but can be meant by whoever mistypes one.
const KNOWN: &[&str] = &[
    "none",
    "bcrypt:COST",
    "sha256[:ROUNDS]",
    "sleep:D",
    "spin:D",
    "jq:FILTER",
    #[cfg(feature = "exec")]
    "exec:COMMAND",
];

/// bcrypt reads no further than this many bytes; more would be hashed as if they were not there.
const BCRYPT_BYTES_MAX: usize = 72;

/// The computation on one item.
///
/// ```
/// use inflight_connectors::{Payload, Task};
///
/// let hashed = Task::parse("sha256")?.run(Payload::read("abc")).unwrap();
/// assert!(hashed.bytes().starts_with(b"ba7816bf"));
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The item itself.
    None,
    /// A bcrypt hash, as text `$2b$…` of 60 characters, with a random salt.
    Bcrypt {
        /// Its cost, 4 to 31: each step doubles the time.
        cost: u32,
    },
    /// A SHA-256 hash, as 64 lower-case hex digits.
    Sha256 {
        /// How often to hash, at least 1: each round hashes the 32 bytes of the one before.
        rounds: u64,
    },
    /// The item itself, after a sleep.
    Sleep(Duration),
    /// The item itself, after this much elapsed time of work. Measured by the monotonic clock: where threads
    /// outnumber cores, less CPU time is burnt than the name says.
    Spin(Duration),
}

impl Task {
    /// Reads `none`, `bcrypt:COST`, `sha256[:ROUNDS]`, `sleep:D` or `spin:D`; D is a duration such as `5ms`.
    ///
    /// # Errors
    /// A sentence that names the task, what is allowed, and the nearest known task.
    pub fn parse(text: &str) -> Result<Task, Error> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        match (name, argument) {
            ("none", None) => Ok(Task::None),
            ("none", Some(_)) => Err(format!("task `{text}`: none takes no argument").into()),
            ("bcrypt", argument) => Ok(bcrypt_cost(text, argument)?),
            ("sha256", argument) => Ok(sha256_rounds(text, argument)?),
            ("sleep", argument) => Ok(Task::Sleep(duration(text, argument)?)),
            ("spin", argument) => Ok(Task::Spin(duration(text, argument)?)),
            _ => Err(unknown("task", text, KNOWN).into()),
        }
    }

    /// Computes the result of one item.
    ///
    /// # Errors
    /// Permanent for bcrypt of more than 72 bytes or of a NUL byte, which bcrypt would ignore silently.
    pub fn run(&self, item: Payload) -> Result<Payload, Fault> {
        match *self {
            Task::None => Ok(item),
            Task::Bcrypt { cost } => bcrypt_hash(item, cost),
            Task::Sha256 { rounds } => Ok(sha256_hash(item, rounds)),
            Task::Sleep(time) => {
                std::thread::sleep(time);
                Ok(item)
            }
            Task::Spin(time) => {
                spin(time);
                Ok(item)
            }
        }
    }

    /// Which clock says what the computation cost: elapsed time for a sleep, which needs no CPU.
    pub fn clock(&self) -> ComputeClock {
        match self {
            Task::Sleep(_) => ComputeClock::Elapsed,
            _ => ComputeClock::Cpu,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::None => f.write_str("none"),
            Task::Bcrypt { cost } => write!(f, "bcrypt:{cost}"),
            Task::Sha256 { rounds: 1 } => f.write_str("sha256"),
            Task::Sha256 { rounds } => write!(f, "sha256:{rounds}"),
            Task::Sleep(time) => write!(f, "sleep:{}", humantime::format_duration(*time)),
            Task::Spin(time) => write!(f, "spin:{}", humantime::format_duration(*time)),
        }
    }
}

fn bcrypt_cost(text: &str, argument: Option<&str>) -> Result<Task, String> {
    match argument.map(str::parse) {
        Some(Ok(cost @ 4..=31)) => Ok(Task::Bcrypt { cost }),
        _ => Err(format!(
            "task `{text}`: bcrypt needs a cost from 4 to 31, such as bcrypt:8"
        )),
    }
}

fn sha256_rounds(text: &str, argument: Option<&str>) -> Result<Task, String> {
    match argument.unwrap_or("1").parse() {
        Ok(rounds @ 1..) => Ok(Task::Sha256 { rounds }),
        _ => Err(format!(
            "task `{text}`: sha256 takes a number of rounds, at least 1, such as sha256:1000"
        )),
    }
}

fn duration(text: &str, argument: Option<&str>) -> Result<Duration, String> {
    humantime::parse_duration(argument.unwrap_or_default())
        .map_err(|cause| format!("task `{text}`: needs a duration such as 5ms: {cause}"))
}

fn bcrypt_hash(item: Payload, cost: u32) -> Result<Payload, Fault> {
    let length = item.bytes().len();
    if length > BCRYPT_BYTES_MAX {
        return Err(Fault::permanent(format!(
            "bcrypt takes at most {BCRYPT_BYTES_MAX} bytes, and the item has {length}; hash it with sha256 first"
        ))
        .counted_as("too long for bcrypt"));
    }
    if memchr::memchr(0, item.bytes()).is_some() {
        return Err(
            Fault::permanent("bcrypt ends at a NUL byte, and the item has one")
                .counted_as("a NUL byte, where bcrypt ends"),
        );
    }
    // The salt comes from the system: 16 bytes cost less than a microsecond, the cheapest hash a thousand.
    let hash = bcrypt::hash_bytes(item.bytes(), cost)
        .map_err(|cause| Fault::permanent("bcrypt failed").because(cause))?;
    Ok(item.becomes(hash.to_vec()))
}

fn sha256_hash(item: Payload, rounds: u64) -> Payload {
    let mut digest = Sha256::digest(item.bytes());
    for _ in 1..rounds {
        digest = Sha256::digest(digest);
    }
    let mut text = Vec::with_capacity(64);
    for byte in digest {
        text.push(HEX[usize::from(byte >> 4)]);
        text.push(HEX[usize::from(byte & 15)]);
    }
    item.becomes(text)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Task, &str>) {
        match (Task::parse(text), expected) {
            (Ok(task), Ok(expected)) => assert_eq!(task, expected, "{text}"),
            (Err(message), Err(part)) => {
                assert!(message.to_string().contains(part), "{text}: {message}")
            }
            (got, expected) => panic!("{text}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn tasks_are_read() {
        check("none", Ok(Task::None));
        check("none:1", Err("no argument"));
        check("bcrypt:8", Ok(Task::Bcrypt { cost: 8 }));
        check("bcrypt", Err("from 4 to 31"));
        check("bcrypt:3", Err("from 4 to 31"));
        check("bcrypt:32", Err("from 4 to 31"));
        check("bcypt:8", Err("did you mean `bcrypt:COST`"));
        check("sha256", Ok(Task::Sha256 { rounds: 1 }));
        check("sha256:7", Ok(Task::Sha256 { rounds: 7 }));
        check("sha256:0", Err("at least 1"));
        check("sha255", Err("did you mean `sha256[:ROUNDS]`"));
        check("sleep:5ms", Ok(Task::Sleep(Duration::from_millis(5))));
        check("sleep", Err("such as 5ms"));
        check("spin:1s", Ok(Task::Spin(Duration::from_secs(1))));
        check("spim:1s", Err("did you mean `spin:D`"));
    }

    #[test]
    fn tasks_print_as_they_are_typed() {
        for text in [
            "none",
            "bcrypt:8",
            "sha256",
            "sha256:7",
            "sleep:5ms",
            "spin:1s",
        ] {
            assert_eq!(Task::parse(text).unwrap().to_string(), text);
        }
    }

    fn run(text: &str, item: &[u8]) -> Result<Payload, Fault> {
        Task::parse(text).unwrap().run(Payload::read(item.to_vec()))
    }

    #[test]
    fn results_are_text_and_keep_the_key() {
        let hashed = run("sha256", b"abc").unwrap();
        assert_eq!(
            hashed.bytes(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hashed.key, Payload::read("abc").key);
        let twice = run("sha256:2", b"abc").unwrap();
        assert_eq!(
            twice.bytes(),
            "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358"
        );
        let hash = run("bcrypt:4", b"secret").unwrap().bytes().to_vec();
        let hash = String::from_utf8(hash).unwrap();
        assert!(hash.starts_with("$2b$04$"), "{hash}");
        assert!(bcrypt::verify("secret", &hash).unwrap());
        for same in ["none", "sleep:1ms", "spin:1ms"] {
            assert_eq!(run(same, b"7").unwrap(), Payload::read("7"));
        }
    }

    #[test]
    fn bcrypt_refuses_what_it_would_ignore() {
        assert!(run("bcrypt:4", &[b'x'; 72]).is_ok());
        for (item, part) in [(&[b'x'; 73][..], "72 bytes"), (b"a\0b", "NUL")] {
            let fault = run("bcrypt:4", item).unwrap_err();
            assert_eq!(fault.verdict(), inflight::Verdict::Permanent);
            assert!(fault.to_string().contains(part), "{fault}");
        }
    }
}
