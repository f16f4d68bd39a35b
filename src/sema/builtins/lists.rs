//! Compile-time lists and shapes.

use super::args::wrong;
use super::{Builtin, entry};
use crate::sema::value::Value;

pub const TABLE: &[Builtin] = &[
    entry("len(list: [int]) -> int", "How many elements a list has.", |_, a| match a.value("list")? {
        Value::List(items) => Ok(Value::int(items.len() as i64)),
        _ => Err(wrong("a list", a.need("list")?)),
    }),
    entry("reversed(list: [int]) -> [int]", "A list in the other order; tensors are turned by `reverse`.", |_, a| {
        match a.value("list")? {
            Value::List(items) => Ok(Value::List(items.iter().rev().cloned().collect())),
            _ => Err(wrong("a list", a.need("list")?)),
        }
    }),
    entry("pair(sizes: int) -> [int]", "`[n, n]` of one number n; a list of two stays as it is.", |_, a| {
        match a.value("sizes")? {
            Value::Dim(n) => Ok(Value::List(vec![Value::Dim(n.clone()), Value::Dim(n.clone())])),
            Value::List(items) if items.len() == 2 => Ok(Value::List(items.clone())),
            _ => Err(wrong("an integer or a list of two", a.need("sizes")?)),
        }
    }),
    entry("shape(x: f32[*S]) -> [int]", "The dimensions of a tensor, as a list.", |e, a| {
        let x = a.tensor(e, "x")?;
        Ok(Value::List(e.shape(x).into_iter().map(Value::Dim).collect()))
    }),
];
