export default function hostile() {}
