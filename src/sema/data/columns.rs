//! The fields of a declaration, and the stored columns that they read.

use super::conversions::{Conversion, Kind};
use super::source::{Holds, Source};
use super::{Batch, errors};
use crate::ops::dim::Dim;
use crate::ops::{DType, Extent};
use crate::sema::checker::Checker;
use crate::sema::model::{Axis, Column, Reading};
use crate::sema::scope::is_capital;
use crate::syntax::ast::{self, DimExpr, Expr, ExprKind, TypeExpr, TypeKind};
use std::sync::Arc;

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

    /// The dimension that the windows of a text give, by name.
    pub fn window(&self, batch: &Batch) -> Option<(Arc<str>, Dim)> {
        Some((self.varying()?.into(), batch.window.clone()?))
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

    /// The columns that the fields read, and which field reads which.
    pub(super) fn columns(&mut self, source: &Source, fields: &[Field]) -> (Vec<Column>, Vec<Read>) {
        let (mut columns, mut reads): (Vec<Column>, Vec<Read>) = (vec![], vec![]);
        for field in fields {
            for used in self.uses(source, field) {
                let Some(column) = self.stored_column(source, field, &used) else { continue };
                reads.push((field.name.text.clone(), column.name.clone()));
                match columns.iter_mut().find(|c| c.name == column.name) {
                    Some(known) if column.dtype.is_float() => known.dtype = column.dtype,
                    Some(_) => {}
                    None => columns.push(column),
                }
            }
        }
        (columns, reads)
    }

    /// The columns that a field reads, and how.
    fn uses(&mut self, source: &Source, field: &Field) -> Vec<Use> {
        let number =
            |name: &ast::Name| Conversion { stored: name.clone(), kind: Kind::Read(Reading::Number), span: name.span };
        let mut uses = vec![];
        match (&field.value, &source.unit) {
            (Some(value), _) => self.find_uses(value, 0, &mut uses),
            (None, Some(_)) => {
                let text = ast::Name { text: "text".into(), span: field.name.span };
                uses.push(Use { conversion: number(&text), depth: 0 });
            }
            (None, None) => uses.push(Use { conversion: number(&field.name), depth: 0 }),
        }
        if let Some(unit) = &source.unit {
            for used in &mut uses {
                used.conversion.kind = Kind::Read(Reading::Ids { unit: unit.clone(), limit: None });
            }
        }
        uses
    }

    /// The column behind a use. It has the shape of the field, without the axes that the lists around it make, or holds
    /// one number for each use in a formula.
    fn stored_column(&mut self, source: &Source, field: &Field, used: &Use) -> Option<Column> {
        let Conversion { stored, kind, span } = &used.conversion;
        if let Some(known) = source.kind.columns
            && !known.contains(&&*stored.text)
        {
            self.report(errors::unknown_column(stored, source.kind.name, known));
            return None;
        }
        let reading = match kind {
            Kind::Read(reading) => reading.clone(),
            Kind::Standardize => Reading::Number,
        };
        let plain = matches!(kind, Kind::Read(Reading::Number));
        let whole = field.is_bare() || !plain || source.kind.holds != Holds::Cells;
        let shape = if whole { field.shape.get(used.depth..).unwrap_or_default().to_vec() } else { vec![] };
        let wrong = match (&reading, &shape[..]) {
            (Reading::Number, _) => None,
            (_, _) if source.kind.holds == Holds::Arrays => Some(errors::no_texts(*span, source.kind.name)),
            (Reading::Category, []) | (Reading::Ids { .. }, [_]) => None,
            (Reading::Category, _) => Some(errors::one_label(*span, field.ty.span)),
            (Reading::Ids { .. }, _) => Some(errors::one_axis_of_ids(*span, field.ty.span)),
        };
        if let Some(diag) = wrong {
            self.report(diag);
            return None;
        }
        let dtype = match (&reading, kind) {
            (Reading::Number, Kind::Standardize) if source.kind.holds != Holds::Arrays => DType::F32,
            (Reading::Number, _) => source.kind.stored_dtype(field.dtype),
            _ => DType::I32,
        };
        let name = if source.unit.is_some() { "text".into() } else { used.conversion.column() };
        Some(Column { name, stored: stored.text.to_string(), reading, dtype, shape, span: *span })
    }

    /// Every `raw.x` of a formula, with the number of lists around it.
    fn find_uses(&mut self, expr: &Expr, depth: usize, uses: &mut Vec<Use>) {
        if let Some(conversion) = self.conversion(expr) {
            uses.extend(conversion.ok().map(|conversion| Use { conversion, depth }));
            return;
        }
        match &expr.kind {
            ExprKind::Field(_, name) if is_raw_column(expr) => {
                let kind = Kind::Read(Reading::Number);
                uses.push(Use { conversion: Conversion { stored: name.clone(), kind, span: name.span }, depth });
            }
            ExprKind::Field(base, _) | ExprKind::Paren(base) | ExprKind::Unary(_, base) => {
                self.find_uses(base, depth, uses);
            }
            ExprKind::Call(callee, args) => {
                self.find_uses(callee, depth, uses);
                args.iter().for_each(|a| self.find_uses(&a.value, depth, uses));
            }
            ExprKind::Index(base, _) => self.find_uses(base, depth, uses),
            ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) => {
                self.find_uses(a, depth, uses);
                self.find_uses(b, depth, uses);
            }
            ExprKind::List(items) => items.iter().for_each(|item| {
                if let ast::ListElem::Expr(e) = item {
                    self.find_uses(e, depth + 1, uses);
                }
            }),
            _ => {}
        }
    }
}

/// The name of a field, and of a column that it reads.
pub type Read = (Arc<str>, String);

/// A stored column in a formula.
struct Use {
    conversion: Conversion,
    /// Lists around it.
    depth: usize,
}

pub fn is_raw_column(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Field(base, _) => matches!(&base.kind, ExprKind::Name(n) if &*n.text == "raw"),
        ExprKind::Paren(inner) => is_raw_column(inner),
        _ => false,
    }
}
