//! Elementwise operations on mixed operands: literals take the tensor's element type, shapes broadcast.

use super::{Checked, Emit, error};
use crate::ops::dim::Dim;
use crate::ops::{Binary, Compare, DType, Extent, Op, Unary};
use crate::sema::value::Value;
use crate::tensor::Value as Node;

impl Emit {
    /// The operand as a node. A literal becomes a scalar constant of type `dtype`, which it must fit; a list is stacked.
    pub fn operand(&mut self, value: &Value, dtype: DType) -> Checked<Node> {
        let span = self.origin.span;
        match value {
            Value::Tensor(x) => Ok(*x),
            Value::Dim(d) if dtype != DType::Bool => self.dim_number(d, dtype),
            Value::Dim(d) => Err(error::literal_does_not_fit(span, d, dtype)),
            Value::Float(v) if dtype.is_float() => Ok(self.constant(*v, dtype)),
            Value::Float(v) => Err(error::literal_does_not_fit(span, v, dtype)),
            Value::Bool(b) if dtype == DType::Bool => Ok(self.constant(f64::from(u8::from(*b)), dtype)),
            Value::Bool(b) => Err(error::literal_does_not_fit(span, b, dtype)),
            Value::List(items) if !items.is_empty() => self.table(items, dtype),
            other => Err(error::not_a_tensor(span, other)),
        }
    }

    /// A list of numbers or tensors as one tensor, joined along a new first axis.
    fn table(&mut self, items: &[Value], dtype: DType) -> Checked<Node> {
        let parts = items.iter().map(|item| self.operand(item, dtype)).collect::<Checked<Vec<_>>>()?;
        self.stack(&parts, 0)
    }

    /// The value as a node by itself: an integer becomes i32, a float f32.
    pub fn tensor(&mut self, value: &Value) -> Checked<Node> {
        let dtype = self.common_dtype(&[value])?;
        self.operand(value, dtype)
    }

    /// Operands of one element type and one shape.
    pub fn operands(&mut self, values: &[&Value]) -> Checked<Vec<Node>> {
        let dtype = self.common_dtype(values)?;
        let nodes = values.iter().map(|v| self.operand(v, dtype)).collect::<Checked<Vec<_>>>()?;
        self.broadcast_together(&nodes)
    }

    /// The type of the tensors among the values, which must agree; of literals alone f32, i32 or bool.
    fn common_dtype(&self, values: &[&Value]) -> Checked<DType> {
        let leaves: Vec<&Value> = values.iter().flat_map(|v| leaves(v)).collect();
        let tensors = leaves.iter().filter_map(|v| if let Value::Tensor(x) = v { Some(self.dtype(*x)) } else { None });
        let mut found: Option<DType> = None;
        for dtype in tensors {
            match found {
                Some(first) if first != dtype => return Err(error::dtypes_differ(self.origin.span, first, dtype)),
                _ => found = Some(dtype),
            }
        }
        Ok(found.unwrap_or_else(|| literal_dtype(&leaves)))
    }

    /// Stretches all to their common shape.
    pub fn broadcast_together(&mut self, nodes: &[Node]) -> Checked<Vec<Node>> {
        let mut shape: Vec<Dim> = vec![];
        for &node in nodes {
            shape = self.broadcast_shapes(&shape, &self.shape(node))?;
        }
        nodes.iter().map(|&x| self.broadcast_to(x, &shape)).collect()
    }

    /// NumPy's rule, in which only a literal 1 or an absent dimension stretches.
    pub fn broadcast_shapes(&self, a: &[Dim], b: &[Dim]) -> Checked<Vec<Dim>> {
        let rank = a.len().max(b.len());
        let at = |shape: &[Dim], from_end: usize| shape.len().checked_sub(from_end).map(|i| shape[i].clone());
        let mut result = Vec::with_capacity(rank);
        for from_end in (1..=rank).rev() {
            result.push(match (at(a, from_end), at(b, from_end)) {
                (Some(x), Some(y)) => {
                    stretch(x, y).ok_or_else(|| error::no_broadcast(self.origin.span, a, b, from_end))?
                }
                (x, y) => x.or(y).unwrap_or(Dim::Const(1)),
            });
        }
        Ok(result)
    }

    /// Stretches one value to a shape that it broadcasts to.
    pub fn broadcast_to(&mut self, x: Node, shape: &[Dim]) -> Checked<Node> {
        let own = self.shape(x);
        if own.len() == shape.len() && own.iter().zip(shape).all(|(a, b)| a.same(b)) {
            return Ok(x);
        }
        let fits = self.broadcast_shapes(&own, shape)?;
        if own.len() > shape.len() || !fits.iter().zip(shape).all(|(a, b)| a.same(b)) {
            return Err(error::shapes_differ(self.origin.span, "cannot broadcast", &own, shape));
        }
        let first = shape.len() - own.len();
        let axes = (first..shape.len()).collect();
        self.op(Op::Broadcast { shape: shape.to_vec(), axes }, &[x])
    }

    pub fn unary(&mut self, op: Unary, x: &Value) -> Checked<Node> {
        let node = self.tensor(x)?;
        let dtype = self.dtype(node);
        if unary_accepts(op, dtype) {
            return self.op(Op::Unary(op), &[node]);
        }
        let name = format!("{op:?}").to_lowercase();
        Err(error::not_for_dtype(self.origin.span, &format!("`{name}`"), dtype, "convert it first: `f32(x)`"))
    }

    pub fn binary(&mut self, op: Binary, a: &Value, b: &Value) -> Checked<Node> {
        if let (Binary::Pow, Value::Tensor(x), Value::Dim(Dim::Const(n @ 1..=4))) = (op, a, b) {
            return self.small_power(*x, *n);
        }
        let nodes = self.operands(&[a, b])?;
        let dtype = self.dtype(nodes[0]);
        if binary_accepts(op, dtype) {
            return self.op(Op::Binary(op), &nodes);
        }
        let help = match op {
            Binary::Div => "integers divide by `floor_div(a, b)`; for a fraction convert both sides: `f32(a) / f32(b)`",
            _ if dtype == DType::Bool => "convert it first: `f32(x)` or `i32(x)`",
            _ => "convert it first: `f32(x)`",
        };
        let name = format!("`{}`", binary_symbol(op));
        Err(error::not_for_dtype(self.origin.span, &name, dtype, help))
    }

    /// `x ** n` by multiplication: exact where `pow` would round through a logarithm, and right for negative x.
    fn small_power(&mut self, x: Node, n: i64) -> Checked<Node> {
        let mul = Op::Binary(Binary::Mul);
        match n {
            1 => Ok(x),
            2 => self.op(mul, &[x, x]),
            3 => {
                let square = self.op(mul.clone(), &[x, x])?;
                self.op(mul, &[square, x])
            }
            _ => {
                let square = self.op(mul.clone(), &[x, x])?;
                self.op(mul, &[square, square])
            }
        }
    }

    pub fn compare(&mut self, op: Compare, a: &Value, b: &Value) -> Checked<Node> {
        let nodes = self.operands(&[a, b])?;
        if self.dtype(nodes[0]) == DType::Bool && !matches!(op, Compare::Eq | Compare::Ne) {
            let help = "use `==`, `!=`, `and`, `or`";
            return Err(error::not_for_dtype(self.origin.span, "an ordering", DType::Bool, help));
        }
        self.op(Op::Compare(op), &nodes)
    }

    /// `where(cond, then, otherwise)`: elementwise choice.
    pub fn select(&mut self, cond: &Value, then: &Value, otherwise: &Value) -> Checked<Node> {
        let cond = self.tensor(cond)?;
        if self.dtype(cond) != DType::Bool {
            let found = self.dtype(cond);
            return Err(error::not_for_dtype(self.origin.span, "a condition", found, "compare first: `x > 0`"));
        }
        let branches = self.operands(&[then, otherwise])?;
        let all = self.broadcast_together(&[cond, branches[0], branches[1]])?;
        self.op(Op::Select, &all)
    }

    // Short forms on nodes, for code that knows its types.

    pub fn map(&mut self, op: Unary, x: Node) -> Checked<Node> {
        self.unary(op, &Value::Tensor(x))
    }

    pub fn zip(&mut self, op: Binary, a: Node, b: Node) -> Checked<Node> {
        self.binary(op, &Value::Tensor(a), &Value::Tensor(b))
    }

    pub fn with_number(&mut self, op: Binary, a: Node, b: f64) -> Checked<Node> {
        let b = self.constant(b, self.dtype(a));
        self.zip(op, a, b)
    }
}

/// The value itself, or what stands in a list and its lists.
fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::List(items) => items.iter().flat_map(leaves).collect(),
        value => vec![value],
    }
}

fn stretch(a: Dim, b: Dim) -> Option<Dim> {
    match (a.known(), b.known()) {
        (Some(1), _) => Some(b),
        (_, Some(1)) => Some(a),
        _ => a.same(&b).then_some(a),
    }
}

fn literal_dtype(values: &[&Value]) -> DType {
    if values.iter().any(|v| matches!(v, Value::Float(_))) {
        DType::F32
    } else if values.iter().any(|v| matches!(v, Value::Bool(_))) {
        DType::Bool
    } else {
        DType::I32
    }
}

fn unary_accepts(op: Unary, dtype: DType) -> bool {
    match op {
        Unary::Neg | Unary::Abs | Unary::Sign => dtype != DType::Bool,
        Unary::Not => !dtype.is_float(),
        _ => dtype.is_float(),
    }
}

fn binary_accepts(op: Binary, dtype: DType) -> bool {
    match op {
        Binary::Div | Binary::Pow => dtype.is_float(),
        Binary::And | Binary::Or | Binary::Xor => !dtype.is_float(),
        Binary::Shl | Binary::Shr => dtype.is_int(),
        _ => dtype != DType::Bool,
    }
}

fn binary_symbol(op: Binary) -> &'static str {
    match op {
        Binary::Add => "+",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
        Binary::Pow => "**",
        Binary::Max => "max",
        Binary::Min => "min",
        Binary::FloorDiv => "floor_div",
        Binary::Rem => "%",
        Binary::And => "and",
        Binary::Or => "or",
        Binary::Xor => "xor",
        Binary::Shl => "shift_left",
        Binary::Shr => "shift_right",
    }
}
