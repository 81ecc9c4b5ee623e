/** One service: its instances in all clusters, who is called from where and why, what changed, and the same for programs. */
import type { ServiceName } from '../../api/types';
import { currentQuery, setQuery, type PathParts } from '../../router';
import { PageFrame } from '../../ui/panel';
import { TabPanel } from '../../ui/tabs';
import { ChangesTab } from './changes';
import { InstancesTab } from './instances';
import { JsonTab } from './json';
import { text } from './messages';
import { PlanTab } from './plan';
import './service.css';

const TABS = ['instances', 'plan', 'changes', 'json'] as const;

/** The page. */
export default function ServicePage({ parts }: { parts: PathParts }) {
  const service: ServiceName = { namespaceId: parts['ns'] ?? '', groupName: parts['group'] ?? '', serviceName: parts['name'] ?? '' };
  const chosen = TABS.find((tab) => tab === currentQuery.value.get('tab')) ?? 'instances';
  const tabs = TABS.map((tab) => ({ key: tab, label: text(`tab.${tab}`) }));
  return (
    <PageFrame title={service.serviceName}>
      <p class="muted">{text('where', { group: service.groupName, namespace: service.namespaceId })}</p>
      <div>
        <TabPanel label={text('tabs')} tabs={tabs} chosen={chosen} onChoose={(tab) => setQuery({ tab: tab === 'instances' ? null : tab })}>
          {chosen === 'instances' && <InstancesTab service={service} />}
          {chosen === 'plan' && <PlanTab service={service} />}
          {chosen === 'changes' && <ChangesTab service={service} />}
          {chosen === 'json' && <JsonTab service={service} />}
        </TabPanel>
      </div>
    </PageFrame>
  );
}
