/** Texts of what-if. */
import { catalogue } from '../../i18n/catalogue';

export const text = catalogue({
  en: {
    title: 'What if',
    suppose: 'Suppose that …',
    lost: 'these clusters are lost',
    drain: 'this cluster is drained',
    'drain.none': 'none',
    percent: 'by how many percent',
    unhealthy: 'all instances in these places are unhealthy',
    'unhealthy.hint': 'region, region/zone or region/zone/subZone, * for any part; several with commas.',
    submit: 'Show what would change',
    nothing: 'Suppose something.',
    'nothing.do': 'Nothing is ordered by it: callers in the place of every cluster are planned for as if it were so.',
    result: 'What would change',
    wizard: 'Drain like this',
  },
  'zh-CN': {
    title: '推演',
    suppose: '假设……',
    lost: '以下集群失联',
    drain: '排空此集群',
    'drain.none': '无',
    percent: '百分之多少',
    unhealthy: '以下位置的所有实例都不健康',
    'unhealthy.hint': 'region、region/zone 或 region/zone/subZone,* 表示任意;多个用逗号分隔。',
    submit: '显示将发生的变化',
    nothing: '请先作出假设。',
    'nothing.do': '这不会下达任何指令:只是按假设为每个集群位置的调用方作出计划。',
    result: '将发生的变化',
    wizard: '照此排空',
  },
});
