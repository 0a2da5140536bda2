//! Which problem an error of the application is.

use super::problem::{Kind, Place, Problem, Said, pointer};
use crate::app::AppError;
use crate::app::error::exit;
use crate::ledger::request::{LedgerError, Refusal};
use crate::model::cell::{CellError, CellReason};
use crate::report::ReportError;

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        match &error {
            AppError::Cell(cell) => of_cell(cell),
            AppError::Refused(refusal) => of_refusal(refusal),
            AppError::Unknown(what) => Self::not_found(what, "没有此项，或不属于该令牌的单位范围"),
            AppError::Hidden(what) => {
                let mut problem = Self::not_found(what, "没有此项，或不属于该令牌的单位范围");
                problem.logged_as = Some(Kind::OtherOffice);
                problem
            }
            AppError::OtherOffice { office } => Self::at(
                Kind::OtherOffice,
                Place::Pointer("/office".to_owned()),
                Said::new(
                    format!("{office} is not an office that this token reports for"),
                    format!("该令牌不能代单位 {office} 上报"),
                ),
            ),
            AppError::NotSealed { position, sealed } => {
                let mut problem = Self::new(
                    Kind::NotSealed,
                    Said::new(
                        format!("{error}; ask again in a moment"),
                        format!("位置 {position} 的条目尚未封存（已封存 {sealed} 条），请稍后再试"),
                    ),
                );
                problem.retry_after = Some(1);
                problem
            }
            AppError::Unpublished => {
                let mut problem = Self::new(
                    Kind::Unavailable,
                    Said::new(
                        "no checkpoint has the cosignatures that are asked for yet",
                        "尚无检查点取得所需的见证签名",
                    ),
                );
                problem.retry_after = Some(5);
                problem
            }
            AppError::Report(ReportError::UnknownOffice(_)) => Self::not_found(
                "there is no such office",
                "没有该单位，或不属于该令牌的范围",
            ),
            AppError::Taken(what) => Self::new(
                Kind::Different,
                Said::new(what.clone(), "该名称已用于另一订阅，请更换名称或先删除"),
            ),
            AppError::Usage(what) => Self::new(
                Kind::InvalidValue,
                Said::new(what.clone(), format!("请求有误：{what}")),
            ),
            AppError::Intake(intake) if intake.is_of_the_delivery() => Self::new(
                Kind::InvalidValue,
                Said::new(intake.to_string(), format!("文件无法读取：{intake}")),
            ),
            AppError::Strict(what) | AppError::Stopped(what) => Self::new(
                Kind::InvalidValue,
                Said::new(what.clone(), format!("导入被拒：{what}")),
            ),
            AppError::Ledger(LedgerError::CutOff(_)) => unavailable(),
            _ => of_server(&error),
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        AppError::from(error).into()
    }
}

impl From<crate::subscription::SubscriptionError> for Problem {
    fn from(error: crate::subscription::SubscriptionError) -> Self {
        AppError::from(error).into()
    }
}

impl From<crate::store::StoreError> for Problem {
    fn from(error: crate::store::StoreError) -> Self {
        AppError::from(error).into()
    }
}

fn unavailable() -> Problem {
    let mut problem = Problem::new(
        Kind::Unavailable,
        Said::new(
            "the ledger cannot be reached now; send the same request again, with the same Idempotency-Key if it has one",
            "账本暂时无法访问，请用相同的 Idempotency-Key 重发同一请求",
        ),
    );
    problem.retry_after = Some(5);
    problem
}

/// What is wrong inside is logged here, in full, and not told.
fn of_server(error: &AppError) -> Problem {
    match error.exit_code() {
        exit::UNAVAILABLE => {
            tracing::warn!(%error, "the ledger cannot be reached");
            unavailable()
        }
        exit::INTEGRITY => {
            tracing::error!(%error, "the ledger is not what it must be");
            Problem::new(
                Kind::Integrity,
                Said::new(
                    "the ledger is not what it must be; whoever runs it must look at the server's log",
                    "账本完整性异常，请运维人员查看服务器日志",
                ),
            )
        }
        exit::USAGE => Problem::new(
            Kind::InvalidValue,
            Said::new(error.to_string(), format!("请求有误：{error}")),
        ),
        _ => {
            tracing::error!(%error, "a request failed");
            Problem::new(
                Kind::Internal,
                Said::new(
                    "the server failed; its log says more under the id of this request",
                    "服务器出错，详情见服务器日志中的请求编号",
                ),
            )
        }
    }
}

pub(super) fn of_cell(cell: &CellError) -> Problem {
    let said = Said::new(
        cell.to_string(),
        format!("{} {}", cell.column, cell_zh(&cell.reason)),
    );
    let place = Place::Pointer(pointer(cell.column));
    Problem::at(Kind::InvalidValue, place, said)
}

fn cell_zh(reason: &CellReason) -> String {
    match reason {
        CellReason::Missing => "为必填项，不能为空".to_owned(),
        CellReason::NotADate => "不是可读的日期，请写作 2014-06-30".to_owned(),
        CellReason::NotANumber => "不是整数，请只写数字".to_owned(),
        CellReason::NotADecimal => "不是数字，请写作 1234.56".to_owned(),
        CellReason::NotAnAmount => "不是金额（元），请写作 960.00，至多两位小数".to_owned(),
        CellReason::TooLarge => "数值过大，无法精确保存（53 位）".to_owned(),
        CellReason::NotAnOfficeCode => "不是单位代码，请写 12 位数字".to_owned(),
        CellReason::UnknownOffice => "所指单位未登记，请先导入单位表".to_owned(),
        CellReason::UnknownCode { allowed } => format!("不在代码表中，可用：{allowed}"),
        CellReason::NotAPeriod => {
            "不是期间，请写作 2014-06、2014-Q2、2014-H1、2014 或 2014S".to_owned()
        }
        CellReason::NotASlug => "只能含字母、数字、“_”、“-”和“.”，至多 64 个字符".to_owned(),
        CellReason::TooLong => "过长，请缩短".to_owned(),
        CellReason::ControlCharacter => "含控制字符，请删除".to_owned(),
        CellReason::RefusedTopic => {
            "涉及本账本拒绝保存的内容（审批或计划内标签、避孕状况、罚款、风险评分、排名），请删除"
                .to_owned()
        }
    }
}

fn of_refusal(refusal: &Refusal) -> Problem {
    let en = refusal.to_string();
    let (kind, zh) = match refusal {
        Refusal::Different { position, columns } => (
            Kind::Different,
            format!(
                "该来源编号已在位置 {position} 入账，但以下各列不同：{}；请提交更正",
                columns.join("、")
            ),
        ),
        Refusal::Twice => (
            Kind::Different,
            "同批中有来源编号相同而内容不同的记录".to_owned(),
        ),
        Refusal::OtherRecord => (
            Kind::Refused,
            "记录的来源和来源编号不能更正；请作废后重新入账".to_owned(),
        ),
        Refusal::KeyReused { position } => (
            Kind::KeyReused,
            format!("该幂等键已用于另一请求（位置 {position}），请换用新键"),
        ),
        Refusal::Erased(position) => (
            Kind::Erased,
            format!("该记录内容已由位置 {position} 的条目擦除，不能更改"),
        ),
        Refusal::Changed { expected, current } => (
            Kind::Changed,
            format!("记录现为第 {current} 版，而非第 {expected} 版；请重新读取后再决定"),
        ),
        Refusal::Contended { .. } => (Kind::Unavailable, "记录正被他人反复更改，请重试".to_owned()),
        Refusal::Record(_) | Refusal::Aggregate(_) | Refusal::Envelope(_) => {
            (Kind::Refused, format!("账本拒绝：{en}"))
        }
    };
    let mut problem = Problem::new(kind, Said::new(en, zh));
    match refusal {
        Refusal::Different { position, columns } => {
            problem.more.push(("position", (*position).into()));
            problem.errors = columns
                .iter()
                .map(|column| {
                    let said = Said::new("differs from what is recorded", "与已入账内容不同");
                    (Place::Pointer(pointer(column)), said)
                })
                .collect();
        }
        Refusal::KeyReused { position } => {
            problem.more.push(("position", (*position).into()));
            let said = problem.detail.clone();
            problem.errors = vec![(Place::Header("Idempotency-Key"), said)];
        }
        Refusal::Erased(position) => problem.more.push(("erased_by", (*position).into())),
        Refusal::Changed { current, .. } => {
            problem.more.push(("version", (*current).into()));
            let said = problem.detail.clone();
            problem.errors = vec![(Place::Header("If-Match"), said)];
        }
        Refusal::Contended { .. } => problem.retry_after = Some(1),
        _ => {}
    }
    problem
}
