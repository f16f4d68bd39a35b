//! `data` declarations: columns, fields as code over the stored row, and splits.

mod columns;
mod conversions;
mod errors;
mod lengths;
mod source;
mod values;

use super::checker::{Checker, GraphKind, GraphState};
use super::defs::Def;
use super::model::{Axis, Column, Data, Reading};
use super::scope::{BoundDim, Frame};
use super::splits;
use super::value::Value;
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent, Op, Type};
use crate::source::Span;
use crate::syntax::ast::{self, DimExpr, Expr, ExprKind, Member, TypeKind};
use crate::tensor::{self, InputRole, Origin};
use columns::Field;
pub use lengths::{BatchLength, Sequences};
pub use source::{Holds, Source};
use std::rc::Rc;
use std::sync::Arc;

/// What `raw` gives while a field is elaborated.
#[derive(Clone, Debug)]
pub struct Raw {
    data: Arc<str>,
    /// i32[B]: the rows of the batch.
    rows: tensor::Value,
    /// Number of rows of the batch, and of the whole columns.
    size: Dim,
    count: Dim,
    lengths: Rc<[BatchLength]>,
    /// How long the windows of a text are.
    window: Option<Dim>,
    columns: Rc<[Column]>,
}

/// A checked declaration.
#[derive(Clone, Debug)]
pub struct DataInfo {
    pub model: Data,
    fields: Vec<Field>,
    reads: Vec<columns::Read>,
    /// Fields whose declaration is wrong: using them is not another error.
    broken_fields: Vec<Arc<str>>,
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

    /// The length of the windows, where the field says it.
    pub fn window(&self) -> Option<usize> {
        let [Axis::Fixed(n)] = self.fields.first()?.shape[..] else { return None };
        Some(n)
    }

    /// The columns that a field reads, or that any does.
    pub fn columns_of(&self, field: Option<&str>) -> impl Iterator<Item = &Column> {
        let read =
            move |c: &&Column| self.reads.iter().any(|(f, n)| *n == c.name && field.is_none_or(|name| name == &**f));
        self.model.columns.iter().filter(read)
    }
}

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
        let source = self.check_source(block)?;
        let (mut fields, mut broken_fields) = (vec![], vec![]);
        let (mut splits, mut broken_splits) = (vec![], false);
        for member in &block.members {
            match member {
                Member::Typed(m) => match self.check_field(m) {
                    Some(field) => fields.push(field),
                    None => broken_fields.push(m.name.text.clone()),
                },
                Member::Directive(d) if &*d.word.text == "split" => {
                    let (found, broken) = splits::parse(self, d, &source);
                    splits.extend(found);
                    broken_splits |= broken;
                }
                Member::Error(_) => broken_splits = true,
                other => {
                    broken_splits = true;
                    if let Member::Directive(d) = other {
                        broken_fields.push(d.word.text.clone());
                    }
                    self.report(errors::not_a_data_member(member_span(other)));
                }
            }
        }
        let (columns, reads) = self.columns(&source, &fields);
        // Windows of a text are as long as the pipeline says, not as the rows are.
        let varying = if source.unit.is_some() { &[] } else { &fields[..] };
        let lengths = self.lengths(varying, &block.constraints);
        if let (Some(_), [_, second, ..]) = (&source.unit, &fields[..]) {
            self.report(errors::second_text_field(second.name.span));
        }
        if splits.is_empty() {
            splits = splits::default_splits(&source, block.span);
        }
        let Source { kind, files, .. } = source;
        let model = Data { name, source: kind.name.into(), files, columns, lengths, splits, span: block.span };
        let unreadable = block.members.iter().any(|m| matches!(m, Member::Error(_)));
        Some(DataInfo { model, fields, reads, broken_fields, broken_splits, unreadable, span: block.span })
    }

    /// A field of a data set for the rows of a batch: `[B, …]`.
    pub fn field(&mut self, data: &DataInfo, name: &ast::Name, batch: &mut Batch) -> Value {
        let Some(field) = data.fields.iter().find(|f| f.name.text == name.text) else {
            return self.no_field(data, name);
        };
        let lengths = self.batch_lengths(data, batch);
        let mut frame = Frame::new(super::scope::Owner::None);
        frame.dims.push(("B".into(), BoundDim { dim: batch.size.clone(), span: name.span }));
        frame.dims.extend(lengths.iter().map(|l| l.bound(name.span)));
        frame.dims.extend(field.window(batch).map(|dim| (dim.0, BoundDim { dim: dim.1, span: name.span })));
        frame.raw = Some(Raw {
            data: (&*data.model.name).into(),
            rows: batch.rows,
            size: batch.size.clone(),
            count: batch.count.clone(),
            lengths: lengths.clone().into(),
            window: batch.window.clone(),
            columns: data.model.columns.clone().into(),
        });
        let value = self.in_frame(frame, |c| c.field_value(field));
        if let (Value::Tensor(x), Some(phase), Some(name)) = (&value, &mut self.phase, field.varying()) {
            let length = lengths.into_iter().find(|l| l.padded.name == name);
            phase.sequences.extend(length.map(|l| (*x, l)));
        }
        value
    }

    /// A field that is not there; one whose declaration is wrong is not another error.
    pub fn no_field(&mut self, data: &DataInfo, name: &ast::Name) -> Value {
        if data.unreadable || data.broken_fields.contains(&name.text) {
            return Value::Error;
        }
        let names: Vec<&str> = data.fields.iter().map(|f| &*f.name.text).collect();
        self.report(errors::unknown_field(name, &data.model.name, data.span, &names))
    }

    /// The varying dimensions of a data set in a batch: made once, and known by name in the phase.
    fn batch_lengths(&mut self, data: &DataInfo, batch: &mut Batch) -> Vec<BatchLength> {
        if let Some((_, known)) = batch.opened.iter().find(|(n, _)| *n == data.model.name) {
            return known.clone();
        }
        let lengths = self.open_lengths(data, &batch.size, &batch.pads);
        let windows = data.fields.iter().filter(|_| data.model.is_text()).filter_map(|f| f.window(batch));
        let windows = windows.map(|(name, dim)| (name, BoundDim { dim, span: data.span }));
        let dims: Vec<_> = lengths.iter().map(|l| l.bound(data.span)).chain(windows).collect();
        self.frame().dims.extend(dims);
        batch.opened.push((data.model.name.clone(), lengths.clone()));
        lengths
    }

    /// Elaborates all fields in a graph of their own, for their errors.
    pub fn check_fields(&mut self, data: &DataInfo) {
        let state = GraphState::new(&data.model.name, GraphKind::Phase);
        self.with_graph(state, |c| {
            let mut batch = c.new_batch(Origin::default());
            batch.window = data.model.is_text().then(|| c.fresh_symbol("window"));
            c.in_frame(Frame::new(super::scope::Owner::None), |c| {
                for field in &data.fields {
                    c.field(data, &field.name, &mut batch);
                }
            })
        });
    }

    /// A batch of open size, with the input for its rows.
    pub fn new_batch(&mut self, origin: Origin) -> Batch {
        let (size, count) = (self.fresh_symbol("B"), self.fresh_symbol("rows"));
        let ty = Type::new(DType::I32, vec![size.clone()]);
        let rows = self.graph.emit.graph.input("rows", InputRole::Rows, ty, origin);
        Batch { rows, size, count, pads: vec![], window: None, opened: vec![] }
    }

    fn field_value(&mut self, field: &Field) -> Value {
        let (value, span) = match &field.value {
            Some(e) => (self.eval(e), e.span),
            None => {
                let name = self.bare_column(field);
                (self.raw_column(&name), field.name.span)
            }
        };
        // A bare column takes the declared type; what was computed must have it.
        let value = match &value {
            Value::Tensor(x) if field.is_bare() => {
                let result = self.emit(span).cast(*x, field.dtype).map(Value::Tensor);
                self.settle(result)
            }
            _ => value,
        };
        let TypeKind::Named { shape, .. } = &field.ty.kind else { return Value::Error };
        let mut dims = vec![DimExpr::Dim(batch_name(field.ty.span))];
        dims.extend(shape.iter().flatten().cloned());
        let what = format!("the field `{}`", field.name.text);
        self.convert_tensor(value, span, (field.dtype, &dims, field.ty.span), &what)
    }

    /// `raw.name`: the column's rows of this batch.
    pub fn raw_column(&mut self, name: &ast::Name) -> Value {
        let Some(raw) = self.frame().raw.clone() else { return Value::Error };
        // An unknown column was reported with the declaration.
        let Some(column) = raw.columns.iter().find(|c| c.name == *name.text) else { return Value::Error };
        if !column.is_whole() {
            return self.assembled_column(&raw, column);
        }
        let shape = column.shape.iter().filter_map(|a| raw.dim(a));
        let ty = Type::new(column.dtype, std::iter::once(raw.count.clone()).chain(shape).collect());
        let whole = self.column_input(&raw, column, InputRole::Column, ty);
        let result = self.emit(name.span).op(Op::Take { axis: 0 }, &[whole, raw.rows]).map(Value::Tensor);
        self.settle(result)
    }

    /// The column of a field without a conversion: of its own name, or the text.
    fn bare_column(&mut self, field: &Field) -> ast::Name {
        let columns = self.frame().raw.as_ref().map(|raw| raw.columns.clone());
        let is_text = |c: &Column| c.name == "text" && matches!(c.reading, Reading::Ids { .. });
        match columns.iter().flat_map(|c| c.iter()).find(|c| is_text(c)) {
            Some(text) => ast::Name { text: (&*text.name).into(), span: field.name.span },
            None => field.name.clone(),
        }
    }

    /// A column whose rows are put together for each batch, padded with zeros.
    fn assembled_column(&mut self, raw: &Raw, column: &Column) -> Value {
        let Some(shape) = column.shape.iter().map(|a| raw.dim(a)).collect::<Option<Vec<_>>>() else {
            // A length that no row can have is reported with its declaration.
            return if column.name == "text" { self.report(errors::no_windows(column.span)) } else { Value::Error };
        };
        let ty = Type::new(column.dtype, std::iter::once(raw.size.clone()).chain(shape).collect());
        Value::Tensor(self.column_input(raw, column, InputRole::Arg, ty))
    }

    /// The input for a column, made on first use.
    fn column_input(&mut self, raw: &Raw, column: &Column, role: InputRole, ty: Type<Dim>) -> tensor::Value {
        let path: Arc<str> = format!("{}.{}", raw.data, column.name).into();
        if let Some(&node) = self.graph.current.get(&path) {
            return node;
        }
        let origin = Origin { layer: None, span: column.span };
        let node = self.graph.emit.graph.input(&*path, role, ty, origin);
        self.graph.current.insert(path, node);
        node
    }
}

impl Raw {
    fn dim(&self, axis: &Axis) -> Option<Dim> {
        match axis {
            Axis::Fixed(n) => Some(Dim::constant(*n as i64)),
            Axis::Varying(name) => {
                let length = self.lengths.iter().find(|l| l.padded.name == *name);
                length.map(|l| l.padded.dim.clone()).or_else(|| self.window.clone())
            }
        }
    }
}

/// The rows that a phase works on.
pub struct Batch {
    pub rows: tensor::Value,
    pub size: Dim,
    pub count: Dim,
    /// Multiples that the pipeline asks of padded lengths, by name.
    pub pads: Vec<(String, usize)>,
    /// How long the windows of a text are.
    pub window: Option<Dim>,
    /// The varying dimensions, by data set.
    pub opened: Vec<(String, Vec<BatchLength>)>,
}

fn batch_name(span: Span) -> Expr {
    let name = ast::Name { text: "B".into(), span };
    Expr { kind: ExprKind::Name(name), span }
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
