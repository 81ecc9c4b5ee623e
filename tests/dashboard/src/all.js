// All cases, one after the other, between the beginning and the end of the stage. `run.js` starts this.

import { after, before, describe } from 'node:test';

import { Stage } from './stage.js';
import routes from '../cases/routes.js';
import services from '../cases/services.js';
import configs from '../cases/configs.js';
import states from '../cases/states.js';
import hostile from '../cases/hostile.js';
import viewer from '../cases/viewer.js';
import wizard from '../cases/wizard.js';
import troubles from '../cases/troubles.js';
import parts from '../cases/parts.js';
import tabs from '../cases/tabs.js';
import pictures from '../cases/pictures.js';

describe('dashboard', { concurrency: 1 }, () => {
  const stage = new Stage();
  before(() => stage.set(), { timeout: 120_000 });
  after(() => stage.strike());
  // What stops and starts parts comes last: it leaves longer lists of changes behind.
  const all = stage.pictures ? [pictures] : [routes, services, configs, states, hostile, viewer, wizard, troubles, parts, tabs];
  for (const cases of all) cases(stage);
});
