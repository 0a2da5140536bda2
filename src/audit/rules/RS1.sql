-- id: RS1
-- version: 1
-- verdict: fail
-- about: office
-- title_en: Restatement
-- title_zh: 数据重述
-- ask_en: {figures} figures of {period}, which was closed, changed, {figure} by {largest} per cent; {without_reason} of {entries} entries give no reason and {while_closed} came without a second person. Who agreed, and why?
-- ask_zh: 已关账的{period}有{figures}项数据变动，其中{figure}变动{largest}%；{entries}笔中{without_reason}笔无理由、{while_closed}笔无第二人同意。何人同意，缘由为何？
-- work_en: entries without a reason: {without_reason} of {entries} (asked for 0); entries into a period that nobody had opened again: {while_closed} (asked for 0); largest change: {figure}, {largest} per cent of what it was (asked for at most $per_cent); by {actors} persons
-- work_zh: 无理由：{entries}笔中{without_reason}笔（应为0）；未经重开即入账：{while_closed}笔（应为0）；最大变动：{figure}，{largest}%（至多$per_cent）；经手{actors}人
-- param per_cent: 5

SELECT office, period, figures, figure, largest, entries, without_reason, while_closed, actors,
       CASE WHEN without_reason > 0 OR while_closed > 0 OR largest > $per_cent THEN 'fail' ELSE 'review' END AS verdict
FROM restatements WHERE figures > 0
