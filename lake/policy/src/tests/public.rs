//! Which policies S3 calls public.

use super::*;

#[test]
fn policies_are_public_unless_every_allowance_names_its_audience() {
    let check = |elements: &str, expected: bool| {
        let text = one(&format!(r#"{elements},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#));
        assert_eq!(resource(&text).is_public(), expected, "{elements}");
    };
    check(r#""Effect":"Allow","Principal":"*""#, true);
    check(r#""Effect":"Allow","Principal":{"AWS":"*"}"#, true);
    check(r#""Effect":"Allow","Principal":{"AWS":["111111111111","*"]}"#, true);
    check(r#""Effect":"Deny","Principal":"*""#, false);
    check(r#""Effect":"Allow","Principal":{"AWS":"111111111111"}"#, false);
    check(r#""Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:user/ada"}"#, false);
    check(r#""Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"}"#, false);
    check(r#""Effect":"Allow","NotPrincipal":{"AWS":"111111111111"}"#, true);

    let condition = |text: &str, expected: bool| {
        check(&format!(r#""Effect":"Allow","Principal":"*","Condition":{text}"#), expected)
    };
    condition(r#"{"StringEquals":{"aws:SourceVpc":"vpc-91237329"}}"#, false);
    condition(r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#, true);
    condition(r#"{"StringLike":{"aws:SourceVpc":"vpc-91237329"}}"#, false);
    condition(r#"{"StringEquals":{"aws:PrincipalOrgID":["o-1","o-2"]}}"#, false);
    condition(r#"{"StringEquals":{"aws:SourceAccount":"${aws:PrincipalAccount}"}}"#, true);
    condition(r#"{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-91237329"}}"#, true);
    condition(r#"{"StringNotEquals":{"aws:SourceVpc":"vpc-91237329"}}"#, true);
    condition(r#"{"ForAllValues:StringEquals":{"aws:SourceVpc":"vpc-91237329"}}"#, true);
    condition(r#"{"StringEquals":{"aws:Referer":"http://example.com/"}}"#, true);
    condition(r#"{"Bool":{"aws:SecureTransport":"true"}}"#, true);
    condition(r#"{"Null":{"aws:SourceVpc":"false"}}"#, true);
    condition(r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/32"}}"#, false);
    condition(r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, false);
    condition(r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/1"}}"#, true);
    condition(r#"{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","0.0.0.0/0"]}}"#, true);
    condition(r#"{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#, false);
    condition(r#"{"IpAddress":{"aws:SourceIp":"2001::/16"}}"#, true);
    condition(r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, true);
    condition(r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:111111111111:t"}}"#, false);
    condition(r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:us-east-1:*:t"}}"#, true);
    condition(r#"{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:111111111111:accesspoint/*"}}"#, false);
    condition(r#"{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:*:accesspoint/a"}}"#, true);
    // One condition that names the audience is enough, whatever else is asked.
    condition(r#"{"StringEquals":{"aws:SourceAccount":"111111111111"},"Bool":{"aws:SecureTransport":"true"}}"#, false);
    // One public statement makes the policy public.
    let two = r#"{"Statement":[
        {"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"},
        {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}"#;
    assert!(resource(two).is_public());
}
