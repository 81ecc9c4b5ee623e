/** Texts of the sign-in page. */
import { catalogue } from '../../i18n/catalogue';

export const text = catalogue({
  en: {
    title: 'Sign in',
    hint: 'With a user of the Nacos beside this gateway. The session counts at this gateway, for half an hour without use and eight hours at most.',
    user: 'User',
    password: 'Password',
    submit: 'Sign in',
    busy: 'Signing in …',
    signedIn: 'You are signed in as {who}.',
    onward: 'Go on',
  },
  'zh-CN': {
    title: '登录',
    hint: '使用本网关旁 Nacos 的用户。会话只在本网关有效,闲置半小时或最长八小时后结束。',
    user: '用户',
    password: '密码',
    submit: '登录',
    busy: '登录中……',
    signedIn: '您已以 {who} 的身份登录。',
    onward: '继续',
  },
});
