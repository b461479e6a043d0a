//! One result as a line of JSON: `{"index":I,"result":"R"}`, the same in files and in HTTP bodies. A result that is the JSON
//! of a value stands there as that value.

use inflight::{Fault, Record};

use crate::jsonl::write_text;
use crate::payload::Payload;
use crate::range::{DIGITS_MAX, decimal};

/// Appends the record to the buffer, without a line end; leaves the buffer as it was when it fails.
///
/// Fails permanently when the result is not UTF-8, the only text that JSON knows.
pub(crate) fn write(record: &Record<Payload>, buffer: &mut Vec<u8>) -> Result<(), Fault> {
    let Ok(text) = std::str::from_utf8(record.value.bytes()) else {
        return Err(Fault::permanent(
            "result is not UTF-8 text; use sqlite: or http: with a raw body",
        ));
    };
    buffer.extend_from_slice(b"{\"index\":");
    buffer.extend_from_slice(decimal(record.index, &mut [0; DIGITS_MAX]));
    buffer.extend_from_slice(b",\"result\":");
    if record.value.is_json() {
        buffer.extend_from_slice(text.as_bytes());
    } else {
        write_text(text, buffer);
    }
    buffer.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_of_json() {
        let mut buffer = Vec::new();
        write(&Record::new(7, Payload::read("a\"\n")), &mut buffer).unwrap();
        assert_eq!(buffer, br#"{"index":7,"result":"a\"\n"}"#);
        let fault = write(&Record::new(7, Payload::read(&b"\xff"[..])), &mut buffer).unwrap_err();
        assert!(fault.to_string().contains("not UTF-8"));
        assert_eq!(buffer.len(), 28);
        buffer.clear();
        let value = Payload::read("7").becomes_json("{\"a\": [1]}");
        write(&Record::new(8, value), &mut buffer).unwrap();
        assert_eq!(buffer, br#"{"index":8,"result":{"a": [1]}}"#);
    }
}
