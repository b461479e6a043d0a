//! Which fields of the input a filter asks for, as far as its text says: a mistyped name is told before anything is sent.

use super::Jq;
use crate::error::Error;
use crate::nearest::nearest;

impl Jq {
    /// Whether items with these fields have what it asks of them by `$row.NAME`, and by a `.NAME` that it begins with where
    /// `.` is their row.
    ///
    /// # Errors
    /// Names the field that they lack, and the nearest one.
    pub fn check_fields(&self, fields: &[String], is_row: bool) -> Result<(), Error> {
        let asked = row_fields(self.expression());
        let first = self.expression().trim_start().strip_prefix('.');
        let first = first
            .filter(|_| is_row && !fields.is_empty())
            .map(leading_name);
        let mut asked = asked.chain(first).filter(|name| !name.is_empty());
        let lacking = asked.find(|name| !fields.iter().any(|field| field == name));
        let Some(name) = lacking else {
            return Ok(());
        };
        let known: Vec<&str> = fields.iter().map(String::as_str).collect();
        let rest = match nearest(name, &known) {
            Some(guess) => format!("; did you mean `{guess}`?"),
            None if known.is_empty() => "; it has none".to_owned(),
            None => format!("; fields: {}", known.join(", ")),
        };
        let expression = self.expression();
        Err(format!("jq filter `{expression}`: `{name}` is no field of the input{rest}").into())
    }
}

/// The names in `$row.NAME` outside of texts.
fn row_fields(expression: &str) -> impl Iterator<Item = &str> {
    let code = expression.split('"').step_by(2);
    code.flat_map(|code| code.split("$row.").skip(1).map(leading_name))
}

/// The name that a text begins with; empty where it begins with none.
fn leading_name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let name = &text[..end.unwrap_or(text.len())];
    match name.starts_with(|c: char| c.is_ascii_digit()) {
        true => "",
        false => name,
    }
}
