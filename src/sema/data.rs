//! `data` declarations: columns, fields as code over the stored row, and splits.

use super::checker::{Checker, GraphKind, GraphState};
use super::defs::{Def, did_you_mean, suggest};
use super::model::{Column, Constant, Data};
use super::scope::{BoundDim, Frame};
use super::splits;
use super::value::Value;
use crate::diag::{Code, Diagnostic};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent, Op, Type};
use crate::source::Span;
use crate::syntax::ast::{self, DimExpr, Expr, ExprKind, Member, TypeExpr, TypeKind};
use crate::tensor::{self, InputRole, Origin};
use std::rc::Rc;

/// What `raw` gives while a field is elaborated.
#[derive(Clone, Debug)]
pub struct Raw {
    data: Rc<str>,
    /// i32[B]: the rows of the batch.
    rows: tensor::Value,
    /// Number of rows of the whole columns.
    count: Dim,
    columns: Rc<[Column]>,
}

/// A checked declaration.
#[derive(Clone, Debug)]
pub struct DataInfo {
    pub model: Data,
    fields: Vec<Field>,
    /// Fields whose declaration is wrong: using them is not another error.
    broken_fields: Vec<Rc<str>>,
    /// A split could not be read: it may be the one that is missed elsewhere.
    pub broken_splits: bool,
    /// A line could not be read: what is missing may stand there.
    pub unreadable: bool,
    span: Span,
}

impl DataInfo {
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.iter().any(|f| &*f.name.text == name)
    }
}

#[derive(Clone, Debug)]
struct Field {
    name: ast::Name,
    ty: TypeExpr,
    /// Element type and shape of one row.
    row: Type,
    /// A field `x` without a conversion is `raw.x`.
    value: Option<Expr>,
}

/// Kind, path and options of a source.
type Source = (&'static SourceKind, String, Vec<(String, Constant)>);

/// Stored parts that a source has by itself, and its columns where they are fixed.
pub struct SourceKind {
    pub name: &'static str,
    pub parts: &'static [&'static str],
    columns: Option<&'static [&'static str]>,
}

const SOURCES: [SourceKind; 3] = [
    SourceKind { name: "idx", parts: &["train", "test"], columns: Some(&["image", "label"]) },
    SourceKind { name: "csv", parts: &[], columns: None },
    SourceKind { name: "tsv", parts: &[], columns: None },
];

/// Sources of the language that are not there yet.
const PLANNED: [&str; 10] =
    ["parquet", "npy", "npz", "images", "text", "jsonl", "wav", "synthetic", "safetensors", "json"];

impl Checker {
    /// The declaration of this name, checked on first use; `None` after an error.
    pub fn data(&mut self, name: &str) -> Option<Rc<DataInfo>> {
        if let Some(known) = self.train.data.iter().find(|(n, _)| &**n == name) {
            return known.1.clone();
        }
        let user = self.user_file();
        let Some(Def::Block(block)) = self.defs.get(name, user).cloned() else { return None };
        let info = self.in_frame(Frame::new(super::scope::Owner::None), |c| c.check_data(&block)).map(Rc::new);
        self.train.data.push((name.into(), info.clone()));
        info
    }

    fn check_data(&mut self, block: &ast::BlockItem) -> Option<DataInfo> {
        let name = super::call::block_name(block).to_string();
        let (source, path, options) = self.check_source(block)?;
        if let Some(condition) = block.constraints.first() {
            self.report(super::unsupported::ragged("where", condition.span));
        }
        let (mut fields, mut broken_fields) = (vec![], vec![]);
        let (mut splits, mut broken_splits) = (vec![], false);
        for member in &block.members {
            match member {
                Member::Typed(m) => match self.check_field(m) {
                    Some(field) => fields.push(field),
                    None => broken_fields.push(m.name.text.clone()),
                },
                Member::Directive(d) if &*d.word.text == "split" => {
                    let (found, broken) = splits::parse(self, d, source);
                    splits.extend(found);
                    broken_splits |= broken;
                }
                Member::Error(_) => broken_splits = true,
                other => {
                    broken_splits = true;
                    if let Member::Directive(d) = other {
                        broken_fields.push(d.word.text.clone());
                    }
                    self.report(not_a_data_member(member_span(other)));
                }
            }
        }
        let columns = self.columns(source, &fields);
        if splits.is_empty() {
            splits = splits::default_splits(source, block.span);
        }
        let model = Data { name, source: source.name.into(), path, options, columns, splits, span: block.span };
        let unreadable = block.members.iter().any(|m| matches!(m, Member::Error(_)));
        Some(DataInfo { model, fields, broken_fields, broken_splits, unreadable, span: block.span })
    }

    fn check_source(&mut self, block: &ast::BlockItem) -> Option<Source> {
        let Some(from) = &block.from else {
            self.report(no_source(block));
            return None;
        };
        let ExprKind::Call(callee, args) = &from.kind else {
            self.report(bad_source(from.span));
            return None;
        };
        let ExprKind::Name(name) = &callee.kind else {
            self.report(bad_source(callee.span));
            return None;
        };
        let Some(kind) = SOURCES.iter().find(|s| s.name == &*name.text) else {
            let diag = if PLANNED.contains(&&*name.text) {
                super::unsupported::source(&name.text, name.span)
            } else {
                unknown_source(name)
            };
            self.report(diag);
            return None;
        };
        let mut path = None;
        let mut options = vec![];
        for arg in args {
            let value = self.eval(&arg.value);
            match (&arg.label, value) {
                (None, Value::Str(text)) if path.is_none() => path = Some(text.to_string()),
                (Some(label), value) => options.extend(constant(&value).map(|c| (label.text.to_string(), c))),
                _ => {
                    self.report(bad_source(arg.value.span));
                }
            }
        }
        if path.is_none() {
            self.report(bad_source(from.span));
        }
        Some((kind, path?, options))
    }

    fn check_field(&mut self, m: &ast::TypedMember) -> Option<Field> {
        let TypeKind::Named { name, shape } = &m.ty.kind else {
            if m.ty.kind != TypeKind::Error {
                self.report(not_a_field_type(m.ty.span));
            }
            return None;
        };
        let Some(dtype) = DType::from_name(&name.text) else {
            let diag = super::types::wrong_name(name, shape.is_some());
            self.report(diag.unwrap_or_else(|| not_a_field_type(m.ty.span)));
            return None;
        };
        let mut dims = vec![];
        for dim in shape.iter().flatten() {
            match dim {
                DimExpr::Dim(e) if self.unbound(e).is_empty() => dims.push(self.eval_int(e)?),
                DimExpr::Dim(_) | DimExpr::Pack(_) => {
                    self.report(super::unsupported::ragged(&m.name.text, m.ty.span));
                    return None;
                }
            }
        }
        let dims = dims.into_iter().map(usize::constant).collect();
        Some(Field { name: m.name.clone(), ty: m.ty.clone(), row: Type::new(dtype, dims), value: m.value.clone() })
    }

    /// The stored columns that the fields read.
    fn columns(&mut self, source: &SourceKind, fields: &[Field]) -> Vec<Column> {
        let mut columns: Vec<Column> = vec![];
        for field in fields {
            let mut names = vec![];
            match &field.value {
                Some(value) => raw_names(value, &mut names),
                None => names.push(field.name.clone()),
            }
            for name in names {
                if let Some(known) = source.columns
                    && !known.contains(&&*name.text)
                {
                    self.report(unknown_column(&name, source.name, known));
                    continue;
                }
                let ty = stored_type(source, field);
                match columns.iter_mut().find(|c| c.name == *name.text) {
                    Some(column) if ty.dtype.is_float() => column.ty.dtype = ty.dtype,
                    Some(_) => {}
                    None => columns.push(Column { name: name.text.to_string(), ty, span: name.span }),
                }
            }
        }
        columns
    }

    /// A field of a data set for the rows of a batch: `[B, …]`.
    pub fn field(&mut self, data: &DataInfo, name: &ast::Name, batch: &Batch) -> Value {
        if data.broken_fields.contains(&name.text) {
            return Value::Error;
        }
        let Some(field) = data.fields.iter().find(|f| f.name.text == name.text) else {
            if data.unreadable {
                return Value::Error;
            }
            let names: Vec<&str> = data.fields.iter().map(|f| &*f.name.text).collect();
            return self.report(unknown_field(name, &data.model.name, data.span, &names));
        };
        let mut frame = Frame::new(super::scope::Owner::None);
        frame.raw = Some(Raw {
            data: (&*data.model.name).into(),
            rows: batch.rows,
            count: batch.count.clone(),
            columns: data.model.columns.clone().into(),
        });
        frame.dims.push(("B".into(), BoundDim { dim: batch.size.clone(), span: name.span }));
        self.in_frame(frame, |c| c.field_value(field))
    }

    /// Elaborates all fields in a graph of their own, for their errors.
    pub fn check_fields(&mut self, data: &DataInfo) {
        let (size, count) = (self.fresh_symbol("B"), self.fresh_symbol("rows"));
        let mut state = GraphState::new(&data.model.name, GraphKind::Phase);
        let ty = Type::new(DType::I32, vec![size.clone()]);
        let rows = state.emit.graph.input("rows", InputRole::Rows, ty, Origin::default());
        let batch = Batch { rows, size, count };
        self.with_graph(state, |c| {
            for field in &data.fields {
                c.field(data, &field.name, &batch);
            }
        });
    }

    fn field_value(&mut self, field: &Field) -> Value {
        let (value, span) = match &field.value {
            Some(e) => (self.eval(e), e.span),
            None => (self.raw_column(&field.name), field.name.span),
        };
        // A bare column takes the declared type; what was computed must have it.
        let value = match (&value, &field.value) {
            (Value::Tensor(x), bare) if bare.as_ref().is_none_or(is_raw_column) => {
                let result = self.emit(span).cast(*x, field.row.dtype).map(Value::Tensor);
                self.settle(result)
            }
            _ => value,
        };
        let TypeKind::Named { shape, .. } = &field.ty.kind else { return Value::Error };
        let mut dims = vec![DimExpr::Dim(batch_name(field.ty.span))];
        dims.extend(shape.iter().flatten().cloned());
        let what = format!("the field `{}`", field.name.text);
        self.convert_tensor(value, span, (field.row.dtype, &dims, field.ty.span), &what)
    }

    /// `raw.name`: the column's rows of this batch.
    pub fn raw_column(&mut self, name: &ast::Name) -> Value {
        let Some(raw) = self.frame().raw.clone() else { return Value::Error };
        // An unknown column was reported with the declaration.
        let Some(column) = raw.columns.iter().find(|c| c.name == *name.text) else { return Value::Error };
        let path: Rc<str> = format!("{}.{}", raw.data, name.text).into();
        let whole = match self.graph.current.get(&path) {
            Some(&node) => node,
            None => {
                let rows = column.ty.shape.iter().map(|&n| Dim::constant(n as i64));
                let shape = std::iter::once(raw.count.clone()).chain(rows).collect();
                let origin = Origin { layer: None, span: column.span };
                let ty = Type::new(column.ty.dtype, shape);
                let node = self.graph.emit.graph.input(&*path, InputRole::Column, ty, origin);
                self.graph.current.insert(path, node);
                node
            }
        };
        let result = self.emit(name.span).op(Op::Take { axis: 0 }, &[whole, raw.rows]).map(Value::Tensor);
        self.settle(result)
    }
}

/// The rows that a phase works on.
pub struct Batch {
    pub rows: tensor::Value,
    pub size: Dim,
    pub count: Dim,
}

/// What the source stores for a field: idx bytes of the field's shape; csv one number for each column that a formula
/// uses, and for a field that is nothing but a column its shape (`x: f32[3]` reads x0, x1 and x2).
fn stored_type(source: &SourceKind, field: &Field) -> Type {
    let bare = field.value.as_ref().is_none_or(is_raw_column);
    match source.name {
        "idx" => Type::new(DType::U8, field.row.shape.clone()),
        _ if bare && field.row.dtype.is_float() => Type::new(DType::F32, field.row.shape.clone()),
        _ if bare => Type::new(DType::I32, field.row.shape.clone()),
        _ if field.row.dtype.is_float() => Type::scalar(DType::F32),
        _ => Type::scalar(DType::I32),
    }
}

fn is_raw_column(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Field(base, _) => matches!(&base.kind, ExprKind::Name(n) if &*n.text == "raw"),
        ExprKind::Paren(inner) => is_raw_column(inner),
        _ => false,
    }
}

fn batch_name(span: Span) -> Expr {
    let name = ast::Name { text: "B".into(), span };
    Expr { kind: ExprKind::Name(name), span }
}

/// Names `x` of `raw.x`.
fn raw_names(expr: &Expr, names: &mut Vec<ast::Name>) {
    match &expr.kind {
        ExprKind::Field(_, name) if is_raw_column(expr) => names.push(name.clone()),
        ExprKind::Field(base, _) | ExprKind::Paren(base) | ExprKind::Unary(_, base) => raw_names(base, names),
        ExprKind::Call(callee, args) => {
            raw_names(callee, names);
            args.iter().for_each(|a| raw_names(&a.value, names));
        }
        ExprKind::Index(base, _) => raw_names(base, names),
        ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) => {
            raw_names(a, names);
            raw_names(b, names);
        }
        ExprKind::List(items) => items.iter().for_each(|item| {
            if let ast::ListElem::Expr(e) = item {
                raw_names(e, names);
            }
        }),
        _ => {}
    }
}

fn constant(value: &Value) -> Option<Constant> {
    Some(match value {
        Value::Dim(d) => Constant::Int(d.known()?),
        Value::Float(v) => Constant::Float(*v),
        Value::Bool(b) => Constant::Bool(*b),
        Value::Str(s) => Constant::Str(s.to_string()),
        Value::List(items) => Constant::List(items.iter().map(constant).collect::<Option<_>>()?),
        _ => return None,
    })
}

fn member_span(member: &Member) -> Span {
    match member {
        Member::Fn(f) => f.name.span,
        Member::Typed(m) => m.span,
        Member::Setting(s) => s.span,
        Member::If { span, .. } | Member::Every { span, .. } | Member::Error(span) => *span,
        Member::Each(e) => e.word.span,
        Member::Directive(d) => d.word.span,
    }
}

fn no_source(block: &ast::BlockItem) -> Diagnostic {
    let span = block.name.as_ref().map_or(block.word.span, |n| n.span);
    Diagnostic::error(Code(514), "this data has no source")
        .label(span, "where does it come from?")
        .help("write `data Name from csv(\"file.csv\") { … }`")
}

fn bad_source(span: Span) -> Diagnostic {
    Diagnostic::error(Code(514), "a source is a call with a path")
        .label(span, "expected something like `idx(\"data/mnist\")`")
}

fn unknown_source(name: &ast::Name) -> Diagnostic {
    let names = SOURCES.iter().map(|s| s.name).chain(PLANNED);
    let diag = Diagnostic::error(Code(514), format!("`{}` is not a data source", name.text))
        .label(name.span, "unknown source");
    match suggest(&name.text, names) {
        None => diag.help("the sources are `idx` and `csv`"),
        found => did_you_mean(diag, name.span, found),
    }
}

fn not_a_field_type(span: Span) -> Diagnostic {
    Diagnostic::error(Code(520), "a field has a tensor type of known size")
        .label(span, "expected a type such as `f32[28, 28, 1]`")
}

fn not_a_data_member(span: Span) -> Diagnostic {
    Diagnostic::error(Code(524), "this does not belong in a data declaration")
        .label(span, "expected a field `name: type = conversion` or a `split`")
}

fn unknown_column(name: &ast::Name, source: &str, known: &[&str]) -> Diagnostic {
    let diag = Diagnostic::error(Code(515), format!("`{source}` data has no column `{}`", name.text))
        .label(name.span, "unknown column");
    match suggest(&name.text, known.iter().copied()) {
        None => diag.help(format!("its columns are `{}`", known.join("`, `"))),
        found => did_you_mean(diag, name.span, found),
    }
}

fn unknown_field(name: &ast::Name, data: &str, declared: Span, known: &[&str]) -> Diagnostic {
    let diag = Diagnostic::error(Code(507), format!("`{data}` has no field `{}`", name.text))
        .label(name.span, "unknown field")
        .label(declared, "the data");
    match suggest(&name.text, known.iter().copied()) {
        None => diag.help(format!("its fields are `{}`", known.join("`, `"))),
        found => did_you_mean(diag, name.span, found),
    }
}
