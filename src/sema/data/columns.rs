//! The fields of a declaration, and the stored columns that they read.

use super::errors;
use super::source::{Formula, SourceKind};
use crate::ops::{DType, Extent};
use crate::sema::checker::Checker;
use crate::sema::model::{Axis, Column};
use crate::sema::scope::is_capital;
use crate::syntax::ast::{self, DimExpr, Expr, ExprKind, TypeExpr, TypeKind};

/// A field as it is declared.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: ast::Name,
    pub ty: TypeExpr,
    pub dtype: DType,
    /// The shape of one row.
    pub shape: Vec<Axis>,
    /// A field `x` without a conversion is `raw.x`.
    pub value: Option<Expr>,
}

impl Field {
    /// Nothing but a stored column.
    pub fn is_bare(&self) -> bool {
        self.value.as_ref().is_none_or(is_raw_column)
    }

    /// The dimension that varies.
    pub fn varying(&self) -> Option<&str> {
        self.shape.iter().find_map(|a| if let Axis::Varying(name) = a { Some(name.as_str()) } else { None })
    }
}

impl Checker {
    pub(super) fn check_field(&mut self, m: &ast::TypedMember) -> Option<Field> {
        let TypeKind::Named { name, shape } = &m.ty.kind else {
            if m.ty.kind != TypeKind::Error {
                self.report(errors::not_a_field_type(m.ty.span));
            }
            return None;
        };
        let Some(dtype) = DType::from_name(&name.text) else {
            let diag = crate::sema::types::wrong_name(name, shape.is_some());
            self.report(diag.unwrap_or_else(|| errors::not_a_field_type(m.ty.span)));
            return None;
        };
        let shape = shape.iter().flatten().map(|dim| self.axis(dim)).collect::<Option<Vec<_>>>()?;
        let varying = shape.iter().filter(|a| matches!(a, Axis::Varying(_))).count();
        if varying > 1 {
            self.report(errors::two_varying(&m.name, m.ty.span));
            return None;
        }
        Some(Field { name: m.name.clone(), ty: m.ty.clone(), dtype, shape, value: m.value.clone() })
    }

    fn axis(&mut self, dim: &DimExpr) -> Option<Axis> {
        match dim {
            DimExpr::Dim(e) if self.unbound(e).is_empty() => {
                let n = self.eval_int(e)?;
                if n < 1 {
                    self.report(errors::not_a_field_type(e.span));
                    return None;
                }
                Some(Axis::Fixed(usize::constant(n)))
            }
            DimExpr::Dim(Expr { kind: ExprKind::Name(name), .. }) if is_capital(&name.text) && &*name.text != "B" => {
                Some(Axis::Varying(name.text.to_string()))
            }
            DimExpr::Dim(e) => {
                self.report(errors::not_a_length(e.span));
                None
            }
            DimExpr::Pack(name) => {
                self.report(errors::not_a_length(name.span));
                None
            }
        }
    }

    /// The stored columns that the fields read.
    pub(super) fn columns(&mut self, source: &SourceKind, fields: &[Field]) -> Vec<Column> {
        let mut columns: Vec<Column> = vec![];
        for field in fields {
            let mut names = vec![];
            match &field.value {
                Some(value) => raw_names(value, 0, &mut names),
                None => names.push((field.name.clone(), 0)),
            }
            for (name, depth) in names {
                if let Some(known) = source.columns
                    && !known.contains(&&*name.text)
                {
                    self.report(errors::unknown_column(&name, source.name, known));
                    continue;
                }
                let column = stored_column(source, field, &name, depth);
                match columns.iter_mut().find(|c| c.name == *name.text) {
                    Some(known) if column.dtype.is_float() => known.dtype = column.dtype,
                    Some(_) => {}
                    None => columns.push(column),
                }
            }
        }
        columns
    }
}

/// What the source stores for a column that stands in so many lists: the shape of the field without the axes that the
/// lists make, or one number for each column that a formula uses.
fn stored_column(source: &SourceKind, field: &Field, name: &ast::Name, depth: usize) -> Column {
    let whole = field.is_bare() || source.formula == Formula::Field;
    let shape = if whole { field.shape.get(depth..).unwrap_or_default().to_vec() } else { vec![] };
    let dtype = source.stored_dtype(field.dtype);
    Column { name: name.text.to_string(), stored: name.text.to_string(), dtype, shape, span: name.span }
}

pub fn is_raw_column(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Field(base, _) => matches!(&base.kind, ExprKind::Name(n) if &*n.text == "raw"),
        ExprKind::Paren(inner) => is_raw_column(inner),
        _ => false,
    }
}

/// Names `x` of `raw.x`, with the number of lists around each.
fn raw_names(expr: &Expr, depth: usize, names: &mut Vec<(ast::Name, usize)>) {
    match &expr.kind {
        ExprKind::Field(_, name) if is_raw_column(expr) => names.push((name.clone(), depth)),
        ExprKind::Field(base, _) | ExprKind::Paren(base) | ExprKind::Unary(_, base) => raw_names(base, depth, names),
        ExprKind::Call(callee, args) => {
            raw_names(callee, depth, names);
            args.iter().for_each(|a| raw_names(&a.value, depth, names));
        }
        ExprKind::Index(base, _) => raw_names(base, depth, names),
        ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) => {
            raw_names(a, depth, names);
            raw_names(b, depth, names);
        }
        ExprKind::List(items) => items.iter().for_each(|item| {
            if let ast::ListElem::Expr(e) = item {
                raw_names(e, depth + 1, names);
            }
        }),
        _ => {}
    }
}
