//! The row that would be saved of a record, for whoever wants to see it first. Pure.

use std::slice;

use inflight::{Fault, Record};

use super::rows::{Rows, fields, is_json, rows};
use super::shape::{Part, Shape, Takes};
use crate::columns::{Cell, Columns, shown, shown_bytes};
use crate::payload::Payload;

/// The columns that are filled and what goes there, as an object.
///
/// Fails as saving would, as far as that can be told without the server.
pub(super) fn preview(
    record: &Record<Payload>,
    shape: &Shape,
    columns: &Columns,
) -> Result<String, Fault> {
    let Rows { mut refused, .. } = rows(slice::from_ref(record), shape, columns, &[]);
    if let Some((_, fault)) = refused.pop() {
        return Err(fault);
    }
    let result = std::str::from_utf8(record.value.bytes());
    let cells = match columns.is_default() {
        true => Vec::new(),
        false => columns.cells(record)?,
    };
    let takes_fields = shape
        .targets
        .iter()
        .any(|target| target.part == Part::Field);
    let fields = match result {
        Ok(text) if takes_fields => fields(text, shape)?,
        _ => Vec::new(),
    };
    let values = shape.targets.iter().enumerate().map(|(at, target)| {
        let takes_json = matches!(target.takes, Takes::Json | Takes::Jsonb);
        match (&target.part, result) {
            (Part::Index, _) => Cell::Json(record.index.to_string().into()),
            (Part::Cell(at), _) => cells[*at].clone(),
            (Part::Field, _) => match fields.get(at).copied().flatten() {
                None => Cell::Null,
                Some(field) => Cell::Json(field.get().into()),
            },
            (Part::Whole, Ok(text)) if takes_json && is_json(text) => Cell::Json(text.into()),
            (Part::Whole, Ok(text)) => Cell::Text(text.into()),
            (Part::Whole, Err(_)) => shown_bytes(record.value.bytes()),
        }
    });
    let values: Vec<Cell<'_>> = values.collect();
    let names = shape.targets.iter().map(|target| target.name.as_str());
    Ok(shown(names.zip(&values)))
}
