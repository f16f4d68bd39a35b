//! Values that are made of tensors: a tensor, or records and lists of them.

use crate::sema::value::Value;
use crate::tensor;

/// The parts of a value that are no list and no record, in order.
pub fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::List(items) => items.iter().flat_map(leaves).collect(),
        Value::Record(fields) => fields.iter().flat_map(|(_, v)| leaves(v)).collect(),
        leaf => vec![leaf],
    }
}

/// A value of the same make with these tensors for its leaves.
pub fn rebuild(like: &Value, nodes: &mut impl Iterator<Item = tensor::Value>) -> Value {
    match like {
        Value::List(items) => Value::List(items.iter().map(|v| rebuild(v, nodes)).collect()),
        Value::Record(fields) => Value::Record(fields.iter().map(|(n, v)| (n.clone(), rebuild(v, nodes))).collect()),
        _ => nodes.next().map_or(Value::Error, Value::Tensor),
    }
}

/// The leaves of `value` in the order of `like`; `None` where it is made otherwise.
pub fn leaves_like<'v>(like: &Value, value: &'v Value) -> Option<Vec<&'v Value>> {
    match (like, value) {
        (Value::List(a), Value::List(b)) if a.len() == b.len() => {
            let parts = a.iter().zip(b).map(|(a, b)| leaves_like(a, b)).collect::<Option<Vec<_>>>()?;
            Some(parts.concat())
        }
        (Value::Record(a), Value::Record(b)) if a.len() == b.len() => {
            let field = |(name, like)| b.iter().find(|(n, _)| n == name).and_then(|(_, v)| leaves_like(like, v));
            let parts = a.iter().map(|(name, like)| field((name, like))).collect::<Option<Vec<_>>>()?;
            Some(parts.concat())
        }
        (Value::List(_) | Value::Record(_), _) | (_, Value::List(_) | Value::Record(_)) => None,
        _ => Some(vec![value]),
    }
}
