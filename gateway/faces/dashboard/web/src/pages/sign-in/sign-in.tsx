/** Opens a session. */
import { useState } from 'preact/hooks';
import { hasSession, me, signIn } from '../../gateway';
import { currentQuery, go } from '../../router';
import { PageFrame } from '../../ui/panel';
import { ErrorState, StateBox } from '../../ui/states';
import { ProblemError } from '../../api/client';
import { problemTitle } from '../../ui/messages';
import { text } from './messages';
import { wayBack } from './back';

/** The page. */
export default function SignInPage() {
  return (
    <PageFrame title={text('title')}>
      {hasSession.value ? (
        <div class="panel stack">
          <p>{text('signedIn', { who: me.value?.identity ?? '' })}</p>
          <p><a class="button primary" href={wayBack(currentQuery.value)}>{text('onward')}</a></p>
        </div>
      ) : (
        <SignInForm />
      )}
    </PageFrame>
  );
}

function SignInForm() {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signIn(username, password);
      go(wayBack(currentQuery.value), 'replace');
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
    setPassword('');
    setBusy(false);
  };
  return (
    <form class="panel form" onSubmit={(event) => void submit(event)}>
      <p class="muted">{text('hint')}</p>
      {error && <RefusedLogin error={error} />}
      <label class="field">
        {text('user')}
        <input name="username" autocomplete="username" required maxLength={256} value={username} onInput={(event) => setUsername(event.currentTarget.value)} />
      </label>
      <label class="field">
        {text('password')}
        <input
          name="password" type="password" autocomplete="current-password" required maxLength={1024} value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </label>
      <div><button type="submit" class="primary" disabled={isBusy}>{isBusy ? text('busy') : text('submit')}</button></div>
    </form>
  );
}

/** A wrong password is no reason to be sent to the page where one is. */
function RefusedLogin({ error }: { error: Error }) {
  if (error instanceof ProblemError && error.status === 401) return <StateBox kind="refused" title={problemTitle(error.problem)} alert />;
  return <ErrorState error={error} />;
}
