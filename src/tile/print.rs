//! The text form; [`super::parse`] reads it back to an equal kernel.

use super::{
    Access, Carry, Extent, For, Grid, Guard, Index, Kernel, Layout, Param, Stmt, StoreMode, TileOp, TileType, View,
};
use crate::ops::Literal;
use std::fmt::{self, Display, Formatter};

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel {}({}) {{", self.name, commas(&self.params))?;
        for grid in &self.grid {
            writeln!(f, "  {grid}")?;
        }
        stmts(f, self, &self.body, 1)?;
        f.write_str("}\n")
    }
}

impl Display for Grid {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "par {} in 0..{} by {}", self.var, self.extent, self.step)?;
        if self.group > 1 { write!(f, " group {}", self.group) } else { Ok(()) }
    }
}

impl Display for Param {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::Read => "read",
            Access::Write => "write",
            Access::ReadWrite => "inout",
        };
        write!(f, "{access} {}: {}[{}]", self.name, self.dtype, commas(&self.shape))?;
        match self.layout {
            Layout::RowMajor => Ok(()),
            Layout::Padded { pitch } => write!(f, " pitch {pitch}"),
        }
    }
}

impl Display for TileType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}, {}]", self.dtype, self.rows, self.cols)
    }
}

impl Display for Extent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Extent::Fixed(n) => write!(f, "{n}"),
            Extent::Block(var) => write!(f, "{var}"),
        }
    }
}

impl Display for Index {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Index::Const(n) => write!(f, "{n}"),
            Index::Var(var) => write!(f, "{var}"),
            Index::Row => f.write_str("row"),
            Index::Col => f.write_str("col"),
            Index::Add(a, b) => write!(f, "{a} + {}", Factor(b)),
            Index::Mul(a, n) => write!(f, "{} * {n}", Factor(a)),
            Index::FloorDiv(a, n) => write!(f, "{} // {n}", Factor(a)),
            Index::Mod(a, n) => write!(f, "{} mod {n}", Factor(a)),
            Index::Min(a, b) => write!(f, "min({a}, {b})"),
            Index::Max(a, b) => write!(f, "max({a}, {b})"),
            Index::Data { tile, limit } => write!(f, "data({tile}, {limit})"),
        }
    }
}

/// An operand that binds tighter than a sum: sums stand in parentheses.
struct Factor<'a>(&'a Index);

impl Display for Factor<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Index::Add(..) => write!(f, "({})", self.0),
            index => write!(f, "{index}"),
        }
    }
}

impl Display for Guard {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} <= {} < {}", self.lo, self.expr, self.hi)
    }
}

/// A literal whose text gives back the same bits.
struct Lit(Literal);

impl Display for Lit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Literal::Float(x) if x.is_nan() => write!(f, "nan({:#x})", x.to_bits()),
            Literal::Float(x) => write!(f, "{x:?}"),
            Literal::Int(n) => write!(f, "{n}"),
            Literal::Bool(b) => write!(f, "{b}"),
        }
    }
}

fn stmts(f: &mut Formatter<'_>, kernel: &Kernel, body: &[Stmt], depth: usize) -> fmt::Result {
    body.iter().try_for_each(|stmt| {
        write!(f, "{:1$}", "", 2 * depth)?;
        match stmt {
            Stmt::Let { value, op } => {
                writeln!(f, "{value}: {} = {}", kernel.ty(*value), Op(kernel, op))
            }
            Stmt::For(lp) => for_loop(f, kernel, lp, depth),
            Stmt::Store { view, value, mode } => {
                let sign = match mode {
                    StoreMode::Set => "=",
                    StoreMode::Add => "+=",
                    StoreMode::And => "&=",
                };
                writeln!(f, "store {} {sign} {value}", ViewOf(kernel, view))
            }
        }
    })
}

fn for_loop(f: &mut Formatter<'_>, kernel: &Kernel, lp: &For, depth: usize) -> fmt::Result {
    if !lp.carries.is_empty() {
        write!(f, "{} = ", commas(lp.carries.iter().map(|c| c.result)))?;
    }
    write!(f, "for {} in {}..{} by {}", lp.var, lp.lo, lp.hi, lp.step)?;
    if !lp.carries.is_empty() {
        let carry = |c: &Carry| format!("{} = {}", c.inner, c.init);
        write!(f, " carry ({})", commas(lp.carries.iter().map(carry)))?;
    }
    writeln!(f, " {{")?;
    stmts(f, kernel, &lp.body, depth + 1)?;
    if !lp.yields.is_empty() {
        writeln!(f, "{:2$}yield {}", "", commas(&lp.yields), 2 * depth + 2)?;
    }
    writeln!(f, "{:1$}}}", "", 2 * depth)
}

struct ViewOf<'a>(&'a Kernel, &'a View);

impl Display for ViewOf<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ViewOf(kernel, view) = self;
        write!(f, "{}[{}]", kernel.params[view.buf.0 as usize].name, commas(&view.index))?;
        if !view.guards.is_empty() {
            write!(f, " where {}", commas(&view.guards))?;
        }
        match view.fill {
            Some(fill) => write!(f, " else {}", Lit(fill)),
            None => Ok(()),
        }
    }
}

struct Op<'a>(&'a Kernel, &'a TileOp);

impl Display for Op<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.1 {
            TileOp::Load(view) => write!(f, "load {}", ViewOf(self.0, view)),
            TileOp::Const(literal) => write!(f, "const {}", Lit(*literal)),
            TileOp::Index(index) => write!(f, "index {index}"),
            TileOp::Map(map, args) => write!(f, "{} {}", map.name(), commas(args)),
            TileOp::Cast(x) => write!(f, "cast {x}"),
            TileOp::Bitcast(x) => write!(f, "bitcast {x}"),
            TileOp::Fold { op, acc, x } => write!(f, "fold {} {acc}, {x}", op.name()),
            TileOp::Tree { op, x } => write!(f, "tree {} {x}", op.name()),
            TileOp::FoldRows { op, x } => write!(f, "fold_rows {} {x}", op.name()),
            TileOp::Transpose(x) => write!(f, "transpose {x}"),
            TileOp::Contract { acc, a, b, a_transposed } => {
                write!(f, "contract {acc}, {a}{}, {b}", if *a_transposed { " transposed" } else { "" })
            }
            TileOp::Philox { key, seed, step, index } => write!(f, "philox {key:#x}, {seed}, {step}, {index}"),
        }
    }
}

fn commas<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|x| x.to_string()).collect::<Vec<_>>().join(", ")
}
