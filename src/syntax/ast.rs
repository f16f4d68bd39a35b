//! The Ast: what the user wrote, with spans, and nothing of pest.
//!
//! Items are generic (`word name? params? from? where? body`) and judged by the checker, which can then
//! say "did you mean `layer`?". Nodes named `Error` stand where the text did not parse; whatever touches
//! one is not reported again.

use crate::source::{FileId, Span};
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub id: FileId,
    pub items: Vec<Item>,
}

/// An identifier where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    pub text: Arc<str>,
    pub span: Span,
}

/// `a.b.c`
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub names: Vec<Name>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Fn(Rc<Function>),
    Let(Let),
    /// `use "blocks.nn" { Residual, Block }`
    Use {
        file: StringLit,
        names: Vec<Name>,
        span: Span,
    },
    /// `layer`, `model`, `data`, `train`, `optimizer`, … or a misspelling of one.
    Block(Rc<BlockItem>),
    Error(Span),
}

/// `word name? (params)? (from expr)? (where …)? { members }`
#[derive(Clone, Debug, PartialEq)]
pub struct BlockItem {
    pub word: Name,
    pub name: Option<Name>,
    pub params: Vec<Param>,
    pub from: Option<Expr>,
    pub constraints: Vec<Expr>,
    pub members: Vec<Member>,
    /// The text of the comment directly above, without slashes: shown on hover.
    pub doc: Option<Arc<str>>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// `composite fn`: keeps its own gradient and is fused as one.
    pub composite: bool,
    pub name: Name,
    pub params: Vec<Param>,
    pub result: Option<TypeExpr>,
    pub constraints: Vec<Expr>,
    pub body: Block,
    pub vjp: Option<Vjp>,
    pub doc: Option<Arc<str>>,
    pub span: Span,
}

/// `vjp (y, y_adj) { … }`: sees the function's arguments, its results and their adjoints; its value is the
/// adjoint of the differentiable arguments in order (a bare value for one, a record for several).
#[derive(Clone, Debug, PartialEq)]
pub struct Vjp {
    pub names: Vec<Name>,
    pub body: Block,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    pub name: Name,
    pub ty: Option<TypeExpr>,
    pub default: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    pub kind: TypeKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `f32`, `f32[B, 2 * D]`, `int`, `initializer`; `shape` is `None` without brackets.
    Named {
        name: Name,
        shape: Option<Vec<DimExpr>>,
    },
    /// `[T]`: a compile-time list.
    List(Box<TypeExpr>),
    /// `(name: type, …)`
    Record(Vec<(Name, TypeExpr)>),
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub enum DimExpr {
    /// `*S`
    Pack(Name),
    Dim(Expr),
}

/// What may stand in the braces of a block item.
#[derive(Clone, Debug, PartialEq)]
pub enum Member {
    Fn(Rc<Function>),
    /// `param weight: f32[D, units] = init`, `buffer …`, `state …`; without a word it is a data field.
    Typed(TypedMember),
    /// `let x = …`, `name = …`, `optimizer for net.bert = …`
    Setting(Setting),
    /// `if cond { members } else { members }`
    If {
        cond: Expr,
        then: Vec<Member>,
        otherwise: Vec<Member>,
        span: Span,
    },
    /// `step (image, label) in pipeline { … }` and its kin.
    Each(Rc<Each>),
    /// `every 500 steps { members }`
    Every {
        count: Expr,
        unit: Name,
        members: Vec<Member>,
        span: Span,
    },
    /// `split train 0.9, test 0.1 by hash`, `load "f" into net { … }`, `freeze net.bert until epoch 2`
    Directive(Directive),
    Error(Span),
}

#[derive(Clone, Debug, PartialEq)]
pub struct TypedMember {
    pub word: Option<Name>,
    pub name: Name,
    pub ty: TypeExpr,
    pub value: Option<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub is_let: bool,
    pub name: Name,
    /// `optimizer for net.bert = …`
    pub target: Option<Path>,
    pub value: Expr,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Each {
    pub word: Name,
    /// A title, as in `test "held out" (…)`.
    pub title: Option<StringLit>,
    /// `(left: Faces.image, label)`
    pub fields: Vec<(Name, Option<Expr>)>,
    /// The pipeline after `in`.
    pub source: Option<Expr>,
    pub body: Block,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Directive {
    pub word: Name,
    pub clauses: Vec<Clause>,
    /// `{ "pattern" -> "pattern" transposed }`
    pub mappings: Vec<Mapping>,
    pub span: Span,
}

/// Clause words (`by`, `into`, `until`, `in`, `for`, …) are plain names here; the checker knows their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    Expr(Expr),
    Comma(Span),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    pub from: MapSide,
    pub to: MapSide,
    pub options: Vec<MapOption>,
    pub span: Span,
}

/// One side of a mapping: `"pattern"`, `["pattern", "pattern"]`, or a word such as `skip`.
#[derive(Clone, Debug, PartialEq)]
pub enum MapSide {
    Names(Vec<StringLit>),
    Word(Name),
}

/// `transposed`, `transposed [2, 3, 1, 0]`, `along 1`
#[derive(Clone, Debug, PartialEq)]
pub struct MapOption {
    pub word: Name,
    pub value: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    Let(Let),
    /// `x = expr`
    Assign {
        name: Name,
        value: Expr,
        span: Span,
    },
    For {
        pattern: Pattern,
        over: Expr,
        body: Block,
        span: Span,
    },
    Yield {
        value: Expr,
        span: Span,
    },
    /// `report accuracy: …, loss: …`
    Report {
        args: Vec<Arg>,
        weight: Option<Expr>,
        span: Span,
    },
    /// `minimize loss over disc with adam_d weight w`
    Minimize(Minimize),
    Every {
        count: Expr,
        unit: Name,
        body: Block,
        span: Span,
    },
    /// The last one of a block is the block's value.
    Expr(Expr),
    Error(Span),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// `var` may be assigned again.
    pub is_var: bool,
    pub pattern: Pattern,
    pub ty: Option<TypeExpr>,
    pub value: Expr,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Minimize {
    pub loss: Expr,
    pub over: Vec<Path>,
    pub with: Option<Path>,
    pub weight: Option<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Name(Name),
    /// `[a, b]` takes a list apart.
    List(Vec<Pattern>, Span),
    /// `(a, b)` takes a record or a tuple of scanned values apart.
    Tuple(Vec<Pattern>, Span),
    Error(Span),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

impl Expr {
    /// The expressions directly below this one, in the order of the text. Blocks are not entered.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Field(x, _) | ExprKind::Unary(_, x) | ExprKind::Paren(x) => vec![x],
            ExprKind::Call(callee, args) => std::iter::once(&**callee).chain(args.iter().map(|a| &a.value)).collect(),
            ExprKind::Index(base, subs) => std::iter::once(&**base).chain(subs.iter().flat_map(Sub::exprs)).collect(),
            ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) | ExprKind::Range { lo: a, hi: b, .. } => vec![a, b],
            ExprKind::List(items) => items.iter().filter_map(ListElem::expr).collect(),
            ExprKind::Comprehension { body, over, .. } => vec![over, body],
            ExprKind::Record(fields) => fields.iter().map(|(_, e)| e).collect(),
            ExprKind::Tuple(items) => items.iter().collect(),
            ExprKind::If { cond, .. } => vec![cond],
            ExprKind::Scan(scan) => std::iter::once(&scan.over).chain(&scan.along).chain(&scan.while_).collect(),
            ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Inf => vec![],
            ExprKind::Str(_) | ExprKind::Name(_) | ExprKind::Error => vec![],
        }
    }
}

impl ListElem {
    fn expr(&self) -> Option<&Expr> {
        match self {
            ListElem::Expr(e) => Some(e),
            ListElem::Spread(_) => None,
        }
    }
}

impl Sub {
    fn exprs(&self) -> Vec<&Expr> {
        match self {
            Sub::At(e) => vec![e],
            Sub::Slice { lo, hi, .. } => lo.iter().chain(hi).collect(),
            Sub::NewAxis(_) => vec![],
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct StringLit {
    pub text: Arc<str>,
    /// With the quotes: byte i of the text stands at `span.start + 1 + i`.
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// Digits without `_`.
    Int(i64),
    Float(f64),
    Bool(bool),
    /// `inf`
    Inf,
    Str(StringLit),
    Name(Name),
    /// `a.b`
    Field(Box<Expr>, Name),
    Call(Box<Expr>, Vec<Arg>),
    Index(Box<Expr>, Vec<Sub>),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `x |> f(a)` is kept as written; the checker inserts `x` as the first argument.
    Pipe(Box<Expr>, Box<Expr>),
    /// `lo..hi` or `lo..=hi`
    Range {
        lo: Box<Expr>,
        hi: Box<Expr>,
        inclusive: bool,
    },
    /// `[a, b, *rest]`
    List(Vec<ListElem>),
    /// `[body for pattern in over]`
    Comprehension {
        body: Box<Expr>,
        pattern: Pattern,
        over: Box<Expr>,
    },
    /// `(a: x, b: y)`
    Record(Vec<(Name, Expr)>),
    /// `(x, mask)`: several values, only where scan takes them.
    Tuple(Vec<Expr>),
    /// `( e )`, kept for the formatter.
    Paren(Box<Expr>),
    If {
        cond: Box<Expr>,
        then: Block,
        otherwise: Option<Box<Else>>,
    },
    Scan(Box<Scan>),
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Else {
    Block(Block),
    If(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    pub pattern: Pattern,
    pub over: Expr,
    /// The axis: a dimension name or a number.
    pub along: Option<Expr>,
    /// `reversed`, `reversed if cond`
    pub reversed: Option<Option<Expr>>,
    pub while_: Option<Expr>,
    /// `checkpoint 16`: how many iterations keep nothing but their carries.
    pub checkpoint: Option<Expr>,
    pub body: Block,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ListElem {
    Spread(Name),
    Expr(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    pub label: Option<Name>,
    pub value: Expr,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Sub {
    /// `x[i]`
    At(Expr),
    /// `x[lo:hi]`, either end open
    Slice { lo: Option<Expr>, hi: Option<Expr>, span: Span },
    /// `_` adds an axis of length 1.
    NewAxis(Span),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Neg,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    /// `%`: the remainder with the sign of the divisor, as in Python.
    Rem,
    Pow,
    MatMul,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    /// `T in 2..=128`, in `where` clauses
    In,
}
