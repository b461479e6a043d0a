//! What a fuzzer tries with what workers write, and what must hold whatever it tries.

use super::incoming::Incoming;
use super::protocol::{Answer, Hello};
use super::{frames, protocol};

/// Takes the bytes behind the first for what a worker writes, in lines or in frames, once in pieces as long as the first says and once as
/// a whole: the same answers come out, and what is said of a bad one disturbs no terminal.
///
/// # Panics
/// When the two differ.
pub fn worker_answer(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let _ = Hello::parse(bytes);
    let in_frames = first % 2 == 1;
    let piece = usize::from(first / 2).max(1);
    let pieces = said(bytes, piece, in_frames);
    assert_eq!(pieces, said(bytes, bytes.len().max(1), in_frames));
}

/// What every line or frame means, in words.
fn said(bytes: &[u8], piece: usize, in_frames: bool) -> Vec<String> {
    let mut incoming = Incoming::default();
    let mut said = Vec::new();
    for piece in bytes.chunks(piece) {
        incoming.add(piece);
        loop {
            let found = match in_frames {
                true => incoming.frame(),
                false => incoming.line(),
            };
            let Some(found) = found else {
                break;
            };
            let answers = match in_frames {
                true => frames::answers(incoming.get(found)),
                false => protocol::answers(incoming.get(found), false),
            };
            match answers {
                Ok(answers) => said.extend(answers.iter().map(words)),
                Err(why) => said.push(shown(why)),
            }
        }
    }
    said
}

fn words(answer: &Answer) -> String {
    match &answer.outcome {
        Ok(found) => format!("{} {found:?}", answer.id),
        Err(fault) => format!("{} {}", answer.id, shown(fault.to_string())),
    }
}

fn shown(why: String) -> String {
    assert!(!why.chars().any(char::is_control), "{why:?}");
    why
}
