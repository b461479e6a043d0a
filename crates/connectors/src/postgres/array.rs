//! A JSON array as Postgres reads an array: `{1,2,NULL}`, with nested arrays as further dimensions. Pure.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Arrays inside arrays that are written; Postgres knows six dimensions, and says so of the seventh.
const DEPTH_MAX: usize = 16;

/// The array as a literal, or `None` where this is no JSON array. With elements of JSON each keeps its own JSON, also where
/// that is an array; else a string becomes its text, and an object its JSON.
pub(super) fn literal(json: &str, is_of_json: bool) -> Option<String> {
    let mut text = String::with_capacity(json.len());
    write(json, is_of_json, DEPTH_MAX, &mut text)?;
    Some(text)
}

fn write(json: &str, is_of_json: bool, depth: usize, text: &mut String) -> Option<()> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    text.push('{');
    for (at, element) in elements.iter().map(|element| element.get()).enumerate() {
        if at > 0 {
            text.push(',');
        }
        match element.as_bytes().first()? {
            _ if element == "null" => text.push_str("NULL"),
            _ if is_of_json => quote(element, text),
            b'[' => write(element, is_of_json, depth.checked_sub(1)?, text)?,
            b'"' => quote(&serde_json::from_str::<Cow<'_, str>>(element).ok()?, text),
            b'{' => quote(element, text),
            _ => text.push_str(element),
        }
    }
    text.push('}');
    Some(())
}

fn quote(element: &str, text: &mut String) {
    text.push('"');
    for character in element.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_written_as_postgres_reads_them() {
        let check = |json: &str, is_of_json: bool, expected: Option<&str>| {
            assert_eq!(literal(json, is_of_json).as_deref(), expected, "{json}");
        };
        check("[]", false, Some("{}"));
        check("[1, 2.50 ,null,true]", false, Some("{1,2.50,NULL,true}"));
        let texts = r#"["a","b,c","d\"e\\","null","","é\n"]"#;
        let expected = "{\"a\",\"b,c\",\"d\\\"e\\\\\",\"null\",\"\",\"é\n\"}";
        check(texts, false, Some(expected));
        check("[[1,2],[3,null]]", false, Some("{{1,2},{3,NULL}}"));
        check(r#"[{"a":1}]"#, false, Some(r#"{"{\"a\":1}"}"#));
        check(
            r#"["a",[1],null,2]"#,
            true,
            Some(r#"{"\"a\"","[1]",NULL,"2"}"#),
        );
        check("{\"a\":1}", false, None);
        check("7", false, None);
        check("[0:1]={1,2}", false, None);
        check(&("[".repeat(99) + &"]".repeat(99)), false, None);
    }
}
