//! Names of invented persons.
//!
//! A stream of random numbers and a sex come in, a surname and one or two given-name characters
//! go out. Nothing can fail. What must stay true: the lists hold single characters only, so that
//! a name never needs quoting in a CSV file and is never longer than three characters.

use super::dice::Roll;

/// Surnames, the common ones listed first; see [`surname`] for how they are weighted.
const SURNAMES: &[&str] = &[
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭",
    "何", "林", "高", "罗", "郑", "梁", "谢", "宋", "唐", "许", "邓", "冯", "韩", "曹", "曾", "彭",
    "萧", "蔡", "潘", "田", "董", "袁", "于", "余", "叶", "蒋", "杜", "苏", "魏", "程", "吕", "丁",
    "沈", "任", "姚", "卢", "傅", "钟", "姜", "崔", "谭", "廖", "范", "汪", "陆", "金", "石", "戴",
    "贾", "韦", "夏", "邱", "方", "侯", "邹", "熊", "孟", "秦", "白", "江", "阎", "薛", "尹", "段",
    "雷", "黎", "史", "龙", "陶", "贺", "顾", "毛", "郝", "龚", "邵", "万", "覃", "武", "钱", "戚",
];

const GIVEN_MALE: &[&str] = &[
    "伟", "强", "磊", "军", "勇", "杰", "涛", "超", "明", "刚", "平", "辉", "健", "俊", "帆", "文",
    "华", "飞", "鑫", "波", "斌", "宇", "浩", "凯", "博", "峰", "松", "亮", "建", "国", "志", "永",
    "海", "春", "成", "良", "庆", "学", "家", "立", "天", "云", "祥", "林", "东", "新", "福", "山",
    "安", "德", "荣", "贵", "昌", "义", "生", "金", "正", "利", "启", "宏", "元", "光", "泽", "远",
    "航", "铭", "瑞", "然", "翔", "晨", "阳", "毅", "恒", "栋", "彬", "舟", "川", "旭", "哲", "诚",
];

const GIVEN_FEMALE: &[&str] = &[
    "芳", "娜", "敏", "静", "丽", "艳", "娟", "霞", "秀", "玲", "桂", "英", "红", "梅", "燕", "琳",
    "婷", "雪", "倩", "洁", "颖", "蓉", "莉", "慧", "萍", "莹", "瑶", "佳", "欣", "怡", "菊", "兰",
    "凤", "琴", "素", "云", "莲", "真", "环", "荣", "爱", "妹", "香", "月", "莺", "媛", "瑞", "凡",
    "嘉", "琼", "勤", "珍", "贞", "卿", "聪", "澜", "纯", "毓", "悦", "昭", "冰", "爽", "琬", "茗",
    "羽", "希", "宁", "欢", "飘", "育", "滢", "馥", "筠", "柔", "竹", "霭", "凝", "晓", "枫", "芸",
];

/// A surname and a given name of one or two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) surname: &'static str,
    pub(super) given: [&'static str; 2],
}

impl Name {
    pub(super) fn draw(roll: &mut Roll, female: bool) -> Self {
        let surname = surname(roll);
        Self {
            surname,
            given: given(roll, female),
        }
    }

    /// A child's name: the surname is given.
    pub(super) fn child(roll: &mut Roll, surname: &'static str, female: bool) -> Self {
        Self {
            surname,
            given: given(roll, female),
        }
    }

    pub(super) const fn parts(&self) -> [&'static str; 3] {
        [self.surname, self.given[0], self.given[1]]
    }
}

/// The lower of two draws: surnames early in the list become about twice as common as the mean.
pub(super) fn surname(roll: &mut Roll) -> &'static str {
    let place = roll.index(SURNAMES.len()).min(roll.index(SURNAMES.len()));
    SURNAMES[place]
}

fn given(roll: &mut Roll, female: bool) -> [&'static str; 2] {
    let list = if female { GIVEN_FEMALE } else { GIVEN_MALE };
    let first = list[roll.index(list.len())];
    // One name in eight has a single character; single names repeat too often for more.
    if roll.per_mille(125) {
        [first, ""]
    } else {
        [first, list[roll.index(list.len())]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_distinct_single_characters() {
        for list in [SURNAMES, GIVEN_MALE, GIVEN_FEMALE] {
            assert!(list.iter().all(|entry| entry.chars().count() == 1));
            let distinct: std::collections::BTreeSet<_> = list.iter().collect();
            assert_eq!(distinct.len(), list.len());
        }
    }
}
