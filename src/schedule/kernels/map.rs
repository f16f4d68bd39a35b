//! Elementwise kernels: rows of a few vectors over the merged space; transposes in squares.

use super::super::eval::Emitter;
use super::space::{self, Space};
use super::{ENOUGH_POINTS, Site};
use crate::schedule::build::Role;

/// What becomes of an axis.
#[derive(Clone, Copy)]
struct Plan {
    step: usize,
    role: Role,
}

const SQUARE: usize = 16;

pub fn build(emitter: &mut Emitter, site: &Site) {
    let shape = site.part_shape(emitter.cx);
    let space = space::analyse(emitter, site, &shape);
    let plans = plan(&space, site);
    emitter.b.transposes = space.across.is_some();
    let (axes, flat) = space.axes(emitter);
    let mut points = 1;
    let mut loops = 0;
    for (axis, plan) in axes.iter().zip(&plans) {
        if points < ENOUGH_POINTS && loops == 0 {
            emitter.b.grid(*axis, plan.step, plan.role);
            points *= (axis.size as usize).div_ceil(plan.step);
        } else {
            emitter.b.begin(*axis, plan.step, plan.role, &[]);
            loops += 1;
        }
    }
    let stores = site.stores(emitter.cx, shape.iter().product(), &flat);
    emitter.store_all(&stores);
    (0..loops).for_each(|_| drop(emitter.b.end(&[])));
}

fn plan(space: &Space, site: &Site) -> Vec<Plan> {
    let mut plans = vec![Plan { step: 1, role: Role::Point }; space.sizes.len()];
    let Some(last) = space.sizes.len().checked_sub(1) else { return plans };
    if space.data[last] {
        return gathered(plans, space, site);
    }
    if let Some(across) = space.across {
        plans[across] = Plan { step: SQUARE, role: Role::Rows };
        plans[last] = Plan { step: SQUARE, role: Role::Cols };
        return plans;
    }
    let columns = site.columns(space.work);
    plans[last] = Plan { step: columns, role: Role::Cols };
    if last > 0 && !space.data[last - 1] {
        let vectors = space.sizes[last].div_ceil(usize::from(site.target.lanes)).max(1);
        let rows = (columns / usize::from(site.target.lanes) / vectors).clamp(1, space.sizes[last - 1]);
        if rows > 1 {
            plans[last - 1] = Plan { step: rows, role: Role::Rows };
        }
    }
    plans
}

/// Each element of the last axis has a data index of its own.
fn gathered(mut plans: Vec<Plan>, space: &Space, site: &Site) -> Vec<Plan> {
    let last = space.sizes.len() - 1;
    plans[last] = Plan { step: site.columns(space.work).min(16), role: Role::Cols };
    plans
}
